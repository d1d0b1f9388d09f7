//! How far coordinates that are not bounded reach: a box outside of which Boltzmann's weight is negligible.

use super::{CoordinateError, Model, Range};
use crate::expression::Interval;

/// Where a particle with internal coordinates can be found.
#[derive(Clone, Debug, PartialEq)]
pub struct Reach {
    /// One interval per coordinate: its range, or what the potential leaves of the line.
    pub ends: Vec<[f64; 2]>,
    /// The place of the lowest energy that was met.
    pub bottom: Vec<f64>,
    /// Whether interval arithmetic has proven that the potential is above the threshold everywhere outside, up to
    /// a distance of a million times the box. Otherwise samples say so.
    pub proven: bool,
}

/// Outside of the box the energy is at least so many kT above its minimum at the same x: weights below 1e-17.
pub const THRESHOLD: f64 = 40.0;

/// Positions at which potentials that depend on x are looked at.
const PLACES: usize = 17;

/// Doublings of the distance from the minimum, after which nothing is expected to rise any more.
const DOUBLINGS: i32 = 60;

/// Minima after which there is no last one.
const MOST_MINIMA: usize = 32;

/// Points along the other coordinates when a face of the box is looked at.
const ACROSS: usize = 13;

impl Model {
    /// The box in which the internal coordinates are, for all states and positions together.
    ///
    /// Faces move outwards by doubling from the minima until the energy everywhere on them, and beyond as far as
    /// samples tell, exceeds the minimum at the same x by [`THRESHOLD`] kT, then inwards again.
    ///
    /// # Errors
    /// [`CoordinateError::DoesNotConfine`], [`CoordinateError::Surface`], [`CoordinateError::Closure`] and those of
    /// [`Coordinates::check`](super::Coordinates::check).
    pub fn coordinate_reach(&self) -> Result<Reach, CoordinateError> {
        let Some(coordinates) = &self.coordinates else {
            return Err(CoordinateError::None);
        };
        let states = self.network.states().len();
        coordinates.check(states)?;
        let axes = coordinates.axes.len();
        let moving = coordinates.has_force() || self.temperature.constant().is_none();
        let places = if moving { PLACES } else { 1 };
        let mut reach: Option<Reach> = None;
        for state in 0..states {
            for k in 0..places {
                let x = self.domain.length * k as f64 / PLACES.saturating_sub(1) as f64;
                let view = View { model: self, state, x };
                let here = view.reach(axes)?;
                reach = Some(match reach {
                    None => here,
                    Some(all) => all.joined(here),
                });
            }
        }
        let mut reach = reach.ok_or(CoordinateError::None)?;
        reach.proven = (0..states).all(|state| self.is_proven(state, &reach));
        Ok(reach)
    }

    /// Tries to prove that a state's energy is above the threshold on shells around the box.
    fn is_proven(&self, state: usize, reach: &Reach) -> bool {
        let Some(coordinates) = &self.coordinates else {
            return false;
        };
        let open = |axis: usize| coordinates.axes[axis].range == Range::Unbounded;
        let length = self.domain.length;
        // Strips of x, on which the lowest energy is at most what it is at the bottom that was met.
        let strips = if coordinates.has_force() { 64 } else { 1 };
        (0..strips).all(|k| {
            let at = |k: usize| length * k as f64 / strips as f64;
            let x = Interval::new(at(k), at(k + 1));
            let lowest = coordinates.energy(state, x.midpoint(), &reach.bottom);
            let enough = lowest + THRESHOLD / 2.0 * self.thermal_energy_bounds(x).hi;
            let mut inner = reach.ends.clone();
            (0..20).all(|_| {
                let outer: Vec<[f64; 2]> = (0..inner.len())
                    .map(|a| {
                        let [lo, hi] = inner[a];
                        let half = 0.5 * (hi - lo);
                        if open(a) { [lo - half, hi + half] } else { [lo, hi] }
                    })
                    .collect();
                let shell = (0..inner.len()).filter(|a| open(*a)).all(|a| {
                    let sides = [[outer[a][0], inner[a][0]], [inner[a][1], outer[a][1]]];
                    sides.into_iter().all(|side| {
                        let mut place: Vec<Interval> =
                            outer.iter().map(|[lo, hi]| Interval::new(*lo, *hi)).collect();
                        place[a] = Interval::new(side[0], side[1]);
                        self.above(state, x, place, enough, 10)
                    })
                });
                inner = outer;
                shell
            })
        })
    }

    /// Whether the potentials of a state are proven to be above a level on a box, which is halved at most so often.
    fn above(&self, state: usize, x: Interval, place: Vec<Interval>, level: f64, halvings: u32) -> bool {
        let Some(coordinates) = &self.coordinates else {
            return false;
        };
        if coordinates.energy_bounds(state, x, &place).lo >= level {
            return true;
        }
        if halvings == 0 {
            return false;
        }
        let widest = (0..place.len()).max_by(|a, b| place[*a].width().total_cmp(&place[*b].width()));
        widest.is_some_and(|axis| {
            let (whole, middle) = (place[axis], place[axis].midpoint());
            [Interval::new(whole.lo, middle), Interval::new(middle, whole.hi)].into_iter().all(|half| {
                let mut part = place.clone();
                part[axis] = half;
                self.above(state, x, part, level, halvings - 1)
            })
        })
    }
}

impl Reach {
    fn joined(mut self, other: Reach) -> Reach {
        for (mine, theirs) in self.ends.iter_mut().zip(&other.ends) {
            *mine = [mine[0].min(theirs[0]), mine[1].max(theirs[1])];
        }
        self
    }
}

/// The energy of one state at one position, in units of kT there.
struct View<'a> {
    model: &'a Model,
    state: usize,
    x: f64,
}

impl View<'_> {
    /// Energy over kT; the potential may overflow to infinity, but must be a number.
    fn energy(&self, q: &[f64]) -> Result<f64, CoordinateError> {
        let energy = self.model.coordinates.as_ref().map_or(0.0, |c| c.energy(self.state, self.x, q));
        if energy.is_nan() || energy == f64::NEG_INFINITY {
            return Err(CoordinateError::Surface {
                what: "potential",
                state: self.state,
                must: "a number, finite or growing beyond all numbers",
                x: self.x,
                q: q.to_vec(),
                found: energy,
            });
        }
        Ok(energy / self.model.thermal_energy(self.x))
    }

    fn range(&self, axis: usize) -> Range {
        self.model.coordinates.as_ref().map_or(Range::Unbounded, |c| c.axes[axis].range)
    }

    fn reach(&self, axes: usize) -> Result<Reach, CoordinateError> {
        self.closes(axes)?;
        let mut bottom: Vec<f64> =
            (0..axes).map(|a| self.range(a).ends().map_or(0.0, |[lo, hi]| 0.5 * (lo + hi))).collect();
        let mut lowest = f64::INFINITY;
        self.descend(&mut bottom, &mut lowest)?;
        // Lower and lower minima without end are errors of rounding, far out.
        for _ in 0..MOST_MINIMA {
            let ends = self.faces(&bottom, lowest)?;
            // A lower minimum may show up inside the box.
            let mut best = (lowest, bottom.clone());
            for q in lattice(&ends, None) {
                let energy = self.energy(&q)?;
                if energy < best.0 {
                    best = (energy, q);
                }
            }
            if best.0 > lowest - 0.5 {
                return Ok(Reach { ends, bottom, proven: false });
            }
            (lowest, bottom) = best;
            self.descend(&mut bottom, &mut lowest)?;
        }
        let farthest = (0..axes).max_by(|a, b| bottom[*a].abs().total_cmp(&bottom[*b].abs())).unwrap_or(0);
        Err(CoordinateError::DoesNotConfine {
            state: self.state,
            axis: self.name(farthest),
            direction: if bottom[farthest] < 0.0 { "smaller" } else { "larger" },
            beyond: bottom[farthest],
            reach: 0.0,
            x: self.x,
        })
    }

    /// Whether periodic potentials close.
    fn closes(&self, axes: usize) -> Result<(), CoordinateError> {
        for axis in 0..axes {
            let Range::Periodic([lo, hi]) = self.range(axis) else {
                continue;
            };
            let middle: Vec<f64> = (0..axes)
                .map(|a| self.range(a).ends().map_or(0.1, |[lo, hi]| lo + 0.4 * (hi - lo)))
                .collect();
            let at = |end: f64| {
                let mut q = middle.clone();
                q[axis] = end;
                self.energy(&q)
            };
            let (first, last) = (at(lo)?, at(hi)?);
            if (last - first).abs() > 1e-9 * (1.0 + first.abs() + last.abs()) {
                return Err(CoordinateError::Closure {
                    state: self.state,
                    axis: self.name(axis),
                    step: (last - first) * self.model.thermal_energy(self.x),
                });
            }
        }
        Ok(())
    }

    fn name(&self, axis: usize) -> String {
        self.model.coordinates.as_ref().map_or(String::new(), |c| c.axes[axis].name.clone())
    }

    /// Goes downhill, coordinate by coordinate, with looks at all distances.
    fn descend(&self, q: &mut [f64], lowest: &mut f64) -> Result<(), CoordinateError> {
        *lowest = self.energy(q)?;
        for round in 0..6 {
            let before = *lowest;
            for axis in 0..q.len() {
                let here = q[axis];
                let tries: Vec<f64> = match self.range(axis).ends() {
                    Some([lo, hi]) => (0..=64).map(|k| lo + (hi - lo) * f64::from(k) / 64.0).collect(),
                    None => (-40..=60)
                        .map(|k| libm::exp2(f64::from(k) / 3.0))
                        .flat_map(|step| [here - step, here + step])
                        .chain([0.0])
                        .collect(),
                };
                let mut best = here;
                for t in tries {
                    q[axis] = t;
                    let energy = self.energy(q)?;
                    if energy < *lowest {
                        (*lowest, best) = (energy, t);
                    }
                }
                q[axis] = best;
            }
            if round > 0 && before - *lowest < 1e-3 {
                break;
            }
        }
        Ok(())
    }

    /// The faces of the box around a minimum.
    fn faces(&self, bottom: &[f64], lowest: f64) -> Result<Vec<[f64; 2]>, CoordinateError> {
        let axes = bottom.len();
        let free: Vec<bool> = (0..axes).map(|a| self.range(a) == Range::Unbounded).collect();
        let mut ends: Vec<[f64; 2]> =
            (0..axes).map(|a| self.range(a).ends().unwrap_or([bottom[a]; 2])).collect();
        // Alone, each coordinate goes as far as the energy along it says; then faces move out together.
        for axis in (0..axes).filter(|a| free[*a]) {
            for side in 0..2 {
                ends[axis][side] = self.outwards(&ends, bottom, lowest, axis, side, true)?;
            }
        }
        for _ in 0..8 {
            let before = ends.clone();
            for axis in (0..axes).filter(|a| free[*a] && axes > 1) {
                for side in 0..2 {
                    ends[axis][side] = self.outwards(&ends, bottom, lowest, axis, side, false)?;
                }
            }
            if ends == before {
                break;
            }
        }
        Ok(ends)
    }

    /// Where a face comes to lie: from a minimum outwards for a coordinate alone, or from where it is.
    fn outwards(
        &self,
        ends: &[[f64; 2]],
        bottom: &[f64],
        lowest: f64,
        axis: usize,
        side: usize,
        alone: bool,
    ) -> Result<f64, CoordinateError> {
        let sign = if side == 0 { -1.0 } else { 1.0 };
        let lowest_on = |at: f64| -> Result<f64, CoordinateError> {
            let mut least = f64::INFINITY;
            let line = vec![bottom.to_vec()];
            for mut q in if alone { line } else { lattice(ends, Some(axis)) } {
                q[axis] = at;
                least = least.min(self.energy(&q)? - lowest);
            }
            Ok(least)
        };
        let place = |step: f64| bottom[axis] + sign * step;
        let start =
            if alone { 1e-7 * (1.0 + bottom[axis].abs()) } else { sign * (ends[axis][side] - bottom[axis]) };
        if !alone && lowest_on(place(start))? >= THRESHOLD {
            return Ok(ends[axis][side]);
        }
        // The highest energy met so far, and the last place below the threshold.
        let (mut highest, mut low) = ((0.0, bottom[axis]), start);
        let mut end = None;
        for k in 0..=4 * DOUBLINGS {
            let step = start * libm::exp2(f64::from(k) / 4.0);
            let energy = lowest_on(place(step))?;
            if energy < THRESHOLD {
                (low, end) = (step, None);
            } else if end.is_none() {
                end = Some(step);
            }
            if energy > highest.0 {
                highest = (energy, place(step));
            }
        }
        // Far out the samples are wide apart: at last the energy must not come down again.
        let Some(mut high) = end else {
            return Err(CoordinateError::DoesNotConfine {
                state: self.state,
                axis: self.name(axis),
                direction: if side == 0 { "smaller" } else { "larger" },
                beyond: highest.1,
                reach: highest.0,
                x: self.x,
            });
        };
        for _ in 0..12 {
            let middle = 0.5 * (low + high);
            if lowest_on(place(middle))? < THRESHOLD { low = middle } else { high = middle }
        }
        Ok(place(high))
    }
}

/// Points of a lattice in a box; one coordinate may be left at its lower end.
fn lattice(ends: &[[f64; 2]], fixed: Option<usize>) -> Vec<Vec<f64>> {
    let mut points = vec![Vec::new()];
    for (a, [lo, hi]) in ends.iter().enumerate() {
        let count = match (fixed == Some(a), ends.len()) {
            (true, _) => 1,
            (false, 1) => 257,
            (false, 2) => 4 * ACROSS + 1,
            (false, _) => ACROSS,
        };
        let at = |k: usize| if count == 1 { *lo } else { lo + (hi - lo) * k as f64 / (count - 1) as f64 };
        points = points
            .into_iter()
            .flat_map(|p: Vec<f64>| {
                (0..count).map(move |k| {
                    let mut p = p.clone();
                    p.push(at(k));
                    p
                })
            })
            .collect();
    }
    points
}

/// A well of a potential in one coordinate, between its barriers or the ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Well {
    /// The barriers on both sides, or ends of the box.
    pub between: [f64; 2],
    /// The minimum.
    pub bottom: f64,
}

impl Model {
    /// The wells of the potential of a state in its only coordinate at `x`, in increasing order, within the given
    /// ends ([`Model::coordinate_reach`]). On a circle the first well is split by the seam unless that lies on a
    /// barrier. Ripples lower than a thousandth of kT do not count.
    pub fn wells(&self, state: usize, x: f64, ends: [f64; 2]) -> Vec<Well> {
        const SAMPLES: usize = 2048;
        let Some(coordinates) = self.coordinates.as_ref().filter(|c| c.axes.len() == 1) else {
            return Vec::new();
        };
        let kt = self.thermal_energy(x);
        let energy = |q: f64| coordinates.energy(state, x, &[q]) / kt;
        let at = |k: usize| ends[0] + (ends[1] - ends[0]) * k as f64 / SAMPLES as f64;
        let values: Vec<f64> = (0..=SAMPLES).map(|k| energy(at(k))).collect();
        // Minima and maxima in turn, told apart by a rise of a thousandth of kT.
        let (mut minima, mut maxima): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
        let (mut low, mut high, mut falling) = (0, 0, true);
        for k in 0..=SAMPLES {
            if falling {
                low = if values[k] < values[low] { k } else { low };
                if values[k] > values[low] + 1e-3 || k == SAMPLES {
                    minima.push(low);
                    (high, falling) = (k, false);
                }
            } else {
                high = if values[k] > values[high] { k } else { high };
                if values[k] < values[high] - 1e-3 {
                    maxima.push(high);
                    (low, falling) = (k, true);
                }
            }
        }
        let refined = |k: usize, sign: f64| {
            if k == 0 || k == SAMPLES {
                return at(k);
            }
            golden(at(k - 1), at(k + 1), |q| sign * energy(q))
        };
        let barriers: Vec<f64> = maxima.iter().map(|k| refined(*k, -1.0)).collect();
        let edges: Vec<f64> = std::iter::once(ends[0]).chain(barriers).chain([ends[1]]).collect();
        let pairs = edges.windows(2).zip(&minima);
        pairs.map(|(ends, k)| Well { between: [ends[0], ends[1]], bottom: refined(*k, 1.0) }).collect()
    }

    /// Which of so many equal cells of the only coordinate have an energy above Boltzmann's mean, for the first state in the middle of
    /// the domain; with Boltzmann's share of each cell. Empty for several coordinates.
    pub fn energetic_cells(&self, ends: [f64; 2], cells: usize) -> Vec<(bool, f64)> {
        const POINTS: usize = 64;
        let Some(coordinates) = self.coordinates.as_ref().filter(|c| c.axes.len() == 1) else {
            return Vec::new();
        };
        let x = 0.5 * self.domain.length;
        let kt = self.thermal_energy(x);
        let at = |k: f64| coordinates.energy(0, x, &[ends[0] + (ends[1] - ends[0]) * k / cells as f64]) / kt;
        let middles: Vec<f64> = (0..cells).map(|k| at(k as f64 + 0.5)).collect();
        let lowest = middles.iter().copied().fold(f64::INFINITY, f64::min);
        let share = |k: usize| -> f64 {
            (0..POINTS).map(|j| libm::exp(lowest - at(k as f64 + (j as f64 + 0.5) / POINTS as f64))).sum()
        };
        let shares: Vec<f64> = (0..cells).map(share).collect();
        let sum: f64 = shares.iter().sum();
        let mean =
            middles.iter().zip(&shares).filter(|(_, p)| **p > 0.0).map(|(e, p)| e * p).sum::<f64>() / sum;
        middles.iter().zip(&shares).map(|(e, p)| (*e > mean, p / sum)).collect()
    }

    /// Where the wells of the first state in the middle of the domain end, on so many equal cells between the ends: the edge
    /// nearest to each barrier, with 0 and `cells` around them. Empty unless there are several wells.
    pub fn well_edges(&self, ends: [f64; 2], cells: usize) -> Vec<usize> {
        let wells = self.wells(0, 0.5 * self.domain.length, ends);
        let edge = |q: f64| libm::round((q - ends[0]) / (ends[1] - ends[0]) * cells as f64) as usize;
        let Some(last) = wells.len().checked_sub(1).filter(|last| *last > 0) else {
            return Vec::new();
        };
        let barriers = wells[..last].iter().map(|well| edge(well.between[1]));
        std::iter::once(0).chain(barriers).chain([cells]).collect()
    }
}

/// The minimum of a function with one, by golden sections.
fn golden(mut lo: f64, mut hi: f64, f: impl Fn(f64) -> f64) -> f64 {
    const SECTION: f64 = 0.618_033_988_749_894_9;
    for _ in 0..60 {
        let (a, b) = (hi - SECTION * (hi - lo), lo + SECTION * (hi - lo));
        if f(a) < f(b) { hi = b } else { lo = a }
    }
    0.5 * (lo + hi)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::Expression;
    use crate::model::{Axis, Coordinates, Landscape, State};
    use std::sync::Arc;

    fn model(axes: Vec<Axis>, potential: &str) -> Model {
        let t = Expression::parse("1 + x", &["x"], &[]).unwrap();
        let names: Vec<&str> = axes.iter().map(|a| a.name.as_str()).collect();
        let surface = |source: &str| Landscape::new(source, &names, &[], Arc::new(t.clone())).unwrap();
        let (u, d) = (surface(potential), surface("1"));
        let mut model = Model::new(1.0, t.clone(), vec![State::new("only", 0.0, 1.0)], vec![]).unwrap();
        model.coordinates = Some(Coordinates::new(axes, u, d));
        model
    }

    fn reach(potential: &str) -> Result<Reach, CoordinateError> {
        model(vec![Axis::new("q", 1.0)], potential).coordinate_reach()
    }

    #[test]
    fn boxes_end_forty_kt_above_the_minimum() {
        // kT is at most 2: U = 80 above the minimum at the ends.
        for (source, ends) in [
            ("q^2/2", [-libm::sqrt(160.0), libm::sqrt(160.0)]),
            ("1e6*(q - 300)^2", [300.0 - libm::sqrt(8e-5), 300.0 + libm::sqrt(8e-5)]),
            ("abs(q) + 5*x", [-80.0, 80.0]),
            ("exp(q) - q", [-81.0, 4.448]),
        ] {
            let found = reach(source).unwrap();
            let width = ends[1] - ends[0];
            for (a, b) in found.ends[0].iter().zip(&ends) {
                assert!((a - b).abs() < 2e-3 * width, "{source}: {found:?}");
            }
            assert!(found.proven, "{source}: {found:?}");
        }
    }

    #[test]
    fn what_does_not_confine_is_named() {
        let message = |source: &str| reach(source).unwrap_err().to_string();
        let left = message("exp(q)");
        assert!(left.contains("does not confine q towards smaller values"), "{left}");
        assert!(message("10*tanh(q^2)").contains("within 10 kT"), "{}", message("10*tanh(q^2)"));
        // A barrier of 2500 kT, and no bottom behind it.
        assert!(
            message("q^2 - 1e-4*q^4").contains("confine") || message("q^2 - 1e-4*q^4").contains("number")
        );
        assert!(message("ln(q)").contains("must be"));
        // Nothing but rounding is left of it far out.
        assert!(message("q^4 - 2*q^2 - q^4").contains("does not confine"));
    }

    #[test]
    fn several_coordinates_are_boxed_together() {
        // Long along the diagonal: a box from the axes alone would be too small.
        let axes = vec![Axis::new("a", 1.0), Axis::new("b", 1.0)];
        let found = model(axes, "(a - b)^2/2 + (a + b)^2/200").coordinate_reach().unwrap();
        // On a face the least energy is a^2/2 * 4/101.
        let half = libm::sqrt(160.0 * 101.0 / 4.0);
        for [lo, hi] in &found.ends {
            assert!(*hi > 0.97 * half && *hi < 2.0 * half && *lo < -0.97 * half, "{found:?}");
        }
    }

    #[test]
    fn circles_must_close() {
        let circle = |potential: &str| {
            let range = Range::Periodic([0.0, 1.0]);
            model(vec![Axis { range, ..Axis::new("q", 1.0) }], potential).coordinate_reach()
        };
        assert_eq!(circle("cos(2*pi*q)").unwrap().ends, [[0.0, 1.0]]);
        assert!(circle("q").unwrap_err().to_string().contains("found a step of 1"));
    }

    #[test]
    fn wells_lie_between_barriers() {
        let model = model(vec![Axis::new("q", 1.0)], "q^4 - 2*q^2 + 0.3*q + 1e-6*sin(1000*q)");
        let wells = model.wells(0, 0.5, [-3.0, 3.0]);
        assert_eq!(wells.len(), 2, "{wells:?}");
        for (well, bottom) in wells.iter().zip([-1.035, 0.9605]) {
            assert!((well.bottom - bottom).abs() < 1e-2, "{wells:?}");
        }
        assert!((wells[0].between[1] - 0.0754).abs() < 1e-2 && wells[0].between[1] == wells[1].between[0]);
        assert_eq!(wells[0].between[0], -3.0);
    }
}
