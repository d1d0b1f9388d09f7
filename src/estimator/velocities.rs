//! Densities, temperatures and currents of underdamped particles, from groups of [`PhaseSpace`] tallies.
//!
//! With `P_i(x)` per length, normalised over all states, and averages `<..>_i` over velocities in state `i`:
//! pressure `sum_i m_i P_i <v^2>_i`, heat current `sum_i P_i (m_i <v^3>_i/2 + H_i <v>_i)` (a potential common to all
//! states, which carries no heat, left out). Every function gives one [`Sample`] per entry, by leaving out one
//! group at a time; `None` where nothing was seen.

use super::ratio;
use crate::phase_space::{PhaseSpace, SPEEDS};
use crate::stats::{Sample, jackknife};

/// Groups to be evaluated, all with the same grid and states.
#[derive(Clone, Copy, Debug)]
pub struct Velocities<'a> {
    /// The groups.
    pub groups: &'a [PhaseSpace],
}

/// Values of one quantity with their groups.
pub type Samples = Vec<Option<Sample>>;

impl Velocities<'_> {
    /// `P_i(x)` per bin.
    pub fn density(&self, state: usize) -> Samples {
        self.profile(&|s, sums| if s == state { sums[0] } else { 0.0 })
    }

    /// `m_i <v^2>_i` per bin: the kinetic temperature.
    pub fn kinetic_temperature(&self, state: usize) -> Samples {
        let (Some(first), sums) = (self.groups.first(), self.sums(&|_, sums| sums[2])) else {
            return Vec::new();
        };
        let (bins, mass) = (first.grid().bins, first.mass(state));
        let counts = self.sums(&|_, sums| sums[0]);
        let rows = state * bins..(state + 1) * bins;
        let both = |(squares, counts): (Vec<f64>, Vec<f64>)| {
            squares[rows.clone()].iter().chain(&counts[rows.clone()]).copied().collect()
        };
        let groups: Vec<Vec<f64>> = sums.into_iter().zip(counts).map(both).collect();
        jackknife(&groups, &|s| (0..bins).map(|b| ratio(mass * s[b], s[bins + b])).collect())
    }

    /// `sum_i m_i P_i <v^2>_i` per bin: the same everywhere where all states move alike and no force acts.
    pub fn pressure(&self) -> Samples {
        let mass = |s: usize| self.groups[0].mass(s);
        self.profile(&|s, sums| mass(s) * sums[2])
    }

    /// `J_i(x)` per bin, particles per time.
    pub fn current(&self, state: usize) -> Samples {
        self.profile(&|s, sums| if s == state { sums[1] } else { 0.0 })
    }

    /// `J_E(x)` per bin, energy per time, from phase space.
    pub fn heat_current(&self) -> Samples {
        let of = |s: usize, sums: &[f64; 4]| {
            0.5 * self.groups[0].mass(s) * sums[3] + self.groups[0].enthalpy(s) * sums[1]
        };
        self.profile(&of)
    }

    /// A quantity per state and bin for each group, from the sums of `v^0 .. v^3`.
    fn sums(&self, of: &dyn Fn(usize, &[f64; 4]) -> f64) -> Vec<Vec<f64>> {
        let group = |g: &PhaseSpace| {
            (0..g.states()).flat_map(|s| g.moments(s).iter().map(move |sums| of(s, sums))).collect()
        };
        self.groups.iter().map(group).collect()
    }

    /// A quantity added over states, per walker and length, in each bin.
    fn profile(&self, of: &dyn Fn(usize, &[f64; 4]) -> f64) -> Samples {
        let Some(first) = self.groups.first() else { return Vec::new() };
        let (bins, width) = (first.grid().bins, first.grid().bin_width());
        let counts = self.sums(&|_, sums| sums[0]);
        let entries = |(sums, counts): (Vec<f64>, Vec<f64>)| {
            let mut entries = vec![0.0; bins];
            sums.iter().enumerate().for_each(|(row, sum)| entries[row % bins] += sum);
            entries.push(counts.iter().sum());
            entries
        };
        let groups: Vec<Vec<f64>> = self.sums(of).into_iter().zip(counts).map(entries).collect();
        jackknife(&groups, &|s| s[..bins].iter().map(|sum| ratio(*sum, s[bins] * width)).collect())
    }

    /// `J_slow(x, V) = int_{-V}^{V} v P_i dv` in a bin, at the edges `V` of the histogram from one bin of it to the
    /// reach; each bin counts with the velocity at its middle.
    pub fn slow_current(&self, state: usize, bin: usize) -> Samples {
        let Some(first) = self.groups.first() else { return Vec::new() };
        let per_count = first.speed_width(state, bin) / first.grid().bin_width();
        let groups = self.odd_counts(state, bin);
        jackknife(&groups, &|s| {
            let mut sum = 0.0;
            let edges = s[..SPEEDS / 2].iter().enumerate().map(|(k, n)| {
                sum += (k as f64 + 0.5) * n * per_count;
                ratio(sum, s[SPEEDS / 2])
            });
            edges.collect()
        })
    }

    /// `J_fast(x, V)`: what flows at speeds above `V`, at the same edges.
    pub fn fast_current(&self, state: usize, bin: usize) -> Samples {
        let Some(first) = self.groups.first() else { return Vec::new() };
        let per_count = first.speed_width(state, bin) / first.grid().bin_width();
        let groups = self.odd_counts(state, bin);
        jackknife(&groups, &|s| {
            let mut sum = 0.0;
            let mut edges: Vec<Option<f64>> = Vec::with_capacity(SPEEDS / 2);
            for (k, n) in s[..SPEEDS / 2].iter().enumerate().rev() {
                edges.push(ratio(sum, s[SPEEDS / 2]));
                sum += (k as f64 + 0.5) * n * per_count;
            }
            edges.reverse();
            edges
        })
    }

    /// The velocity `v*` at which `J_slow` is largest: where a parabola through the net counts between 0.7 and 1.3 of
    /// `sqrt(3 kT/m)` changes its sign; a smooth function of the counts.
    pub fn crossover(&self, state: usize, bin: usize) -> Option<Sample> {
        let width = self.groups.first()?.speed_width(state, bin);
        let groups = self.odd_counts(state, bin);
        let unit = 0.5 * SPEEDS as f64 / crate::phase_space::REACH * libm::sqrt(3.0);
        let window = (0.7 * unit) as usize..(1.3 * unit) as usize;
        let root = |s: &[f64]| {
            let points = window.clone().map(|k| ((k as f64 + 0.5) / unit - 1.0, s[k]));
            Some((1.0 + parabola_root(points)?) * unit * width)
        };
        jackknife(&groups, &|s| vec![root(s)]).pop()?
    }

    /// Counts at `+v` less counts at `-v` for each speed; last, all counts.
    fn odd_counts(&self, state: usize, bin: usize) -> Vec<Vec<f64>> {
        let group = |g: &PhaseSpace| {
            let (left, right) = g.speeds(state, bin).split_at(SPEEDS / 2);
            let net = right.iter().zip(left.iter().rev()).map(|(up, down)| *up as f64 - *down as f64);
            let all = (0..g.states()).flat_map(|s| g.moments(s)).map(|sums| sums[0]).sum();
            net.chain(std::iter::once(all)).collect()
        };
        self.groups.iter().map(group).collect()
    }
}

/// The root nearest to zero of the parabola fitted to `(u, f)` by least squares.
fn parabola_root(points: impl Iterator<Item = (f64, f64)>) -> Option<f64> {
    let (mut u, mut f) = ([0.0; 5], [0.0; 3]);
    for (x, y) in points {
        let mut power = 1.0;
        for (k, sum) in u.iter_mut().enumerate() {
            *sum += power;
            if let Some(f) = f.get_mut(k) {
                *f += power * y;
            }
            power *= x;
        }
    }
    let determinant = |a: [f64; 3], b: [f64; 3], c: [f64; 3]| {
        a[0] * (b[1] * c[2] - b[2] * c[1]) - b[0] * (a[1] * c[2] - a[2] * c[1])
            + c[0] * (a[1] * b[2] - a[2] * b[1])
    };
    let [p, q, r] = [0, 1, 2].map(|k| [u[k], u[k + 1], u[k + 2]]);
    let whole = determinant(p, q, r);
    let (c, b, a) =
        (determinant(f, q, r) / whole, determinant(p, f, r) / whole, determinant(p, q, f) / whole);
    // In a form that does not cancel as the parabola becomes a line.
    let root = libm::sqrt(b * b - 4.0 * a * c);
    let root = -2.0 * c / (b + if b < 0.0 { -root } else { root });
    root.is_finite().then_some(root)
}

/// `J_E` at every face between bins, walls included: energy carried by moves. It is what was absorbed (heat and work)
/// to the left of the face less what is stored there, which closes exactly; with a potential it holds no potential
/// energy. On a ring only differences between faces mean anything. `duration` is the time that every group was scored for, summed over its walkers.
pub fn heat_current_carried(groups: &[PhaseSpace], duration: f64) -> Samples {
    let Some(first) = groups.first() else { return Vec::new() };
    let grid = *first.grid();
    let sums = |g: &PhaseSpace| {
        let mut bins = vec![0.0; grid.bins];
        for (c, ([heat, work], gain)) in g.exchanged().zip(g.gain()).enumerate() {
            bins[c / grid.cells_per_bin] += heat + work - gain;
        }
        bins.push(duration);
        bins
    };
    let groups: Vec<Vec<f64>> = groups.iter().map(sums).collect();
    jackknife(&groups, &|s| {
        let mut sum = 0.0;
        let faces = s[..grid.bins].iter().map(|absorbed| {
            sum += absorbed;
            ratio(sum, s[grid.bins])
        });
        std::iter::once(Some(0.0)).chain(faces).collect()
    })
}
