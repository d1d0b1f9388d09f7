//! The ways of a mixture in the form that loops over events want.

use super::ReactionError;
use crate::model::{Mixture, Way};

/// What a way takes, at most two particles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Nothing,
    One(usize),
    /// Two of the same.
    Pair(usize),
    Two(usize, usize),
}

impl Taken {
    /// Ordered choices of particles: `n`, `n (n - 1)`, `n m`.
    #[inline]
    pub fn choices<N: Copy + Into<u64>>(self, counts: &[N]) -> f64 {
        let n = |s: usize| {
            let n: u64 = counts[s].into();
            n as f64
        };
        match self {
            Taken::Nothing => 1.0,
            Taken::One(s) => n(s),
            Taken::Pair(s) => n(s) * (n(s) - 1.0),
            Taken::Two(s, t) => n(s) * n(t),
        }
    }

    fn order(self) -> i32 {
        match self {
            Taken::Nothing => 0,
            Taken::One(_) => 1,
            Taken::Pair(_) | Taken::Two(..) => 2,
        }
    }
}

/// A way that is open.
#[derive(Clone, Debug)]
pub(super) struct Passage {
    pub way: Way,
    pub taken: Taken,
    /// Species of the particles that vanish and that appear, one entry a particle: a catalyst is neither.
    pub lost: Vec<usize>,
    pub gained: Vec<usize>,
    /// Species whose number changes, and by how much.
    pub change: Vec<(usize, i64)>,
}

impl Passage {
    /// The factor of [`Taken::choices`] in the propensity, `k V^(1 - order)`.
    pub fn coefficient(&self, mixture: &Mixture, x: f64, volume: f64) -> Result<f64, ReactionError> {
        let Way { reaction, forward } = self.way;
        let found = mixture.rate_constant(self.way, x);
        let coefficient = found * volume.powi(1 - self.taken.order());
        let sound = found >= 0.0 && coefficient.is_finite();
        if sound { Ok(coefficient) } else { Err(ReactionError::RateConstant { reaction, forward, x, found }) }
    }
}

/// The open ways of a mixture.
pub(super) fn passages(mixture: &Mixture) -> Vec<Passage> {
    let species = mixture.species().len();
    let of = |way: Way| {
        let reaction = &mixture.reactions()[way.reaction];
        let taken = match *reaction.taken(way.forward) {
            [] => Taken::Nothing,
            [(s, 1)] => Taken::One(s),
            [(s, _)] => Taken::Pair(s),
            [(s, _), (t, _), ..] => Taken::Two(s, t),
        };
        let sign = if way.forward { 1 } else { -1 };
        let change = reaction.change(species).into_iter().map(|d| sign * d).enumerate();
        let change: Vec<(usize, i64)> = change.filter(|(_, d)| *d != 0).collect();
        let particles = |sign: i64| {
            let repeated = |&(s, d): &(usize, i64)| vec![s; (sign * d).max(0) as usize];
            change.iter().flat_map(repeated).collect()
        };
        Passage { way, taken, lost: particles(-1), gained: particles(1), change }
    };
    mixture.open_ways().map(of).collect()
}

/// The first way whose running sum exceeds `goal`; the last possible one, should rounding leave none.
#[inline]
pub(super) fn choose(propensities: &[f64], mut goal: f64) -> usize {
    let mut last = 0;
    for (k, p) in propensities.iter().enumerate() {
        if *p > 0.0 {
            last = k;
            if goal < *p {
                return k;
            }
            goal -= p;
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Equation, Kinetics, Reaction, Species, Uniform};
    use std::sync::Arc;

    #[test]
    fn propensities_are_those_of_the_mixture() {
        let species: Vec<Species> = ["A", "B", "C"].iter().map(|n| Species::new(*n, 0.0, 1.0, 1)).collect();
        let given = || Kinetics::Given {
            forward: Some(Arc::new(Uniform(1.5))),
            backward: Some(Arc::new(Uniform(0.25))),
        };
        let equations = ["2 A <-> B", "A + B <-> C", "0 <-> A", "A + C <-> B + C"];
        let read =
            |e: &&str| Reaction::from_equation(&Equation::parse(e).unwrap(), &species, given()).unwrap();
        let reactions = equations.iter().map(read).collect();
        let mixture = Mixture::new(1.0, Uniform(1.0), species.clone(), reactions).unwrap();
        let passages = passages(&mixture);
        assert_eq!(passages.len(), 8);
        for counts in [[0u64, 0, 0], [1, 0, 2], [2, 5, 1], [7, 3, 9]] {
            for p in &passages {
                let found = p.coefficient(&mixture, 0.5, 12.5).unwrap() * p.taken.choices(&counts);
                let expected = mixture.propensity(p.way, 0.5, 12.5, &counts);
                assert!((found - expected).abs() <= 1e-14 * expected, "{p:?}: {found} {expected}");
            }
        }
        // The catalyst C is neither lost nor gained.
        assert_eq!((&passages[6].lost, &passages[6].gained), (&vec![0], &vec![1]));
        assert_eq!((&passages[0].lost, &passages[0].gained), (&vec![0, 0], &vec![1]));
    }

    #[test]
    fn choices_end_at_a_possible_way() {
        assert_eq!(choose(&[0.0, 1.0, 0.0, 2.0, 0.0], 0.0), 1);
        assert_eq!(choose(&[0.0, 1.0, 0.0, 2.0, 0.0], 1.0), 3);
        assert_eq!(choose(&[0.0, 1.0, 0.0, 2.0, 0.0], 3.0), 3);
    }
}
