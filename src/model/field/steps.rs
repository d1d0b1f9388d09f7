//! Piecewise constant fields: boxes at different temperatures.

use super::knots::{KnotError, increasing, inside};
use super::{Field, Interval};

/// A piecewise constant function. At a jump it has the value on the right.
///
/// ```
/// use soret::model::{Field, Steps};
/// let two_boxes = Steps::new(vec![0.5], vec![1.0, 2.0])?;
/// assert_eq!([0.0, 0.49, 0.5, 1.0].map(|x| two_boxes.value(x)), [1.0, 1.0, 2.0, 2.0]);
/// # Ok::<(), soret::model::KnotError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Steps {
    at: Vec<f64>,
    values: Vec<f64>,
}

impl Steps {
    /// A function that jumps at the increasing positions `at`, with one value more than there are jumps.
    ///
    /// # Errors
    /// [`KnotError`] if the numbers do not describe such a function.
    pub fn new(at: Vec<f64>, values: Vec<f64>) -> Result<Self, KnotError> {
        increasing(&at)?;
        if values.len() != at.len() + 1 {
            return Err(KnotError::Count { jumps: at.len(), values: values.len() });
        }
        match values.iter().position(|v| !v.is_finite()) {
            Some(index) => Err(KnotError::NotFinite { index }),
            None => Ok(Steps { at, values }),
        }
    }

    fn piece(&self, x: f64) -> usize {
        self.at.partition_point(|&jump| jump <= x)
    }
}

impl Field for Steps {
    fn value(&self, x: f64) -> f64 {
        self.values[self.piece(x)]
    }
    fn slope(&self, _x: f64) -> f64 {
        0.0
    }
    fn bounds(&self, x: Interval) -> Interval {
        let values = &self.values[self.piece(x.lo)..=self.piece(x.hi)];
        let point = |v: &f64| Interval::point(*v);
        values.iter().map(point).reduce(Interval::hull).unwrap_or_else(Interval::whole)
    }
    fn kinks(&self, range: Interval) -> Vec<f64> {
        inside(&self.at, range)
    }
    fn constant(&self) -> Option<f64> {
        self.values.iter().all(|v| *v == self.values[0]).then_some(self.values[0])
    }
    fn describe(&self) -> String {
        format!("steps {:?} at {:?}", self.values, self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::field::tests::bounds_hold;

    #[test]
    fn jumps_belong_to_the_right() {
        let steps = Steps::new(vec![0.25, 0.5], vec![1.0, 3.0, 2.0]).unwrap();
        assert_eq!(
            [0.0, 0.25_f64.next_down(), 0.25, 0.5, 1.0].map(|x| steps.value(x)),
            [1.0, 1.0, 3.0, 2.0, 2.0]
        );
        assert_eq!(steps.bounds(Interval::new(0.0, 0.2)), Interval::point(1.0));
        assert_eq!(steps.bounds(Interval::new(0.0, 0.25)), Interval::new(1.0, 3.0));
        assert_eq!(steps.bounds(Interval::new(0.5, 9.0)), Interval::point(2.0));
        assert_eq!(steps.kinks(Interval::new(0.0, 0.5)), [0.25]);
        assert_eq!(steps.constant(), None);
        assert_eq!(Steps::new(vec![0.5], vec![2.0, 2.0]).unwrap().constant(), Some(2.0));
        bounds_hold(&steps, 1.0);
    }

    #[test]
    fn numbers_that_are_no_steps_are_refused() {
        let make = |at: &[f64], values: &[f64]| Steps::new(at.to_vec(), values.to_vec()).unwrap_err();
        assert_eq!(make(&[0.5, 0.5], &[1.0, 1.0, 1.0]), KnotError::NotIncreasing { index: 1 });
        assert_eq!(make(&[0.5], &[1.0]), KnotError::Count { jumps: 1, values: 1 });
        assert_eq!(make(&[f64::NAN], &[1.0, 2.0]), KnotError::NotFinite { index: 0 });
        assert_eq!(make(&[0.5], &[1.0, f64::INFINITY]), KnotError::NotFinite { index: 1 });
    }
}
