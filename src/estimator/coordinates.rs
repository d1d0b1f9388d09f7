//! What particles with continuous internal coordinates are measured by: heat, energies, and the plane of x and one coordinate.
//!
//! On the plane, summed over states: `P(x, q)` per length and per unit of q, normalised, from walkers seen in the middle of their
//! moves, and the currents `J_x(x, q)` and `J_q(x, q)` by counts ([`InternalSpace`]). [`InternalHeat`] and [`InternalPlane`] are the
//! estimators of a run; [`Plane`] gives the same and a little more of tallies that belong to none.

use super::soret::exponential_family;
use super::velocities::Samples;
use super::{Context, Estimator, ratio};
use crate::ensemble::Group;
use crate::grid::Grid;
use crate::internal_space::InternalSpace;
use crate::model::{Boundary, Field, Model};
use crate::observable::Observable;
use crate::stats::{Sample, jackknife};
use std::f64::consts::PI;

/// Heat, transitions and energies: `J_E` at faces, its mean over the domain and over the interior, heat absorbed, entropy production
/// `sigma = -sum (heat absorbed)/T` per unit time, transitions and mean energy per bin.
///
/// `J_E` at a face is what was absorbed (heat and work) on the side of smaller x less what is stored there, which closes
/// exactly; on a ring only its differences are known. Where no force acts along x `J_E = -d_x int E D P dq` (Eq 14) is known from
/// where particles are as well, and often far better: `int D P dq = C` is the same at every x, so that `J_E = -C d_x(<E D>/<D>)`,
/// which chance crowds of particles do not change. That is so for short steps; where `(pi/L)^2 <D> dt` is above 0.15 it is not told.
#[derive(Clone, Copy, Debug)]
pub struct InternalHeat;

impl Estimator for InternalHeat {
    fn observables(&self, context: &Context) -> Vec<Observable> {
        use Observable::*;
        let channels = 2 * context.model.network.edges().len();
        let mut list = vec![
            MeanHeatCurrent,
            InteriorHeatCurrent,
            ItoHeatCurrent,
            EntropyProduction,
            HeatCurrent,
            MeanEnergy,
            HeatAbsorbed,
        ];
        list.extend((0..channels).map(TransitionRate));
        list
    }

    /// Exposure, mean of the energy carried over domain and interior, sum of heat/T, energy carried through inner faces; walkers
    /// seen, their energy, their diffusivity, its product with the energy, heat and passages per channel, per bin.
    fn sums(&self, context: &Context, group: &Group) -> Vec<f64> {
        let (grid, channels) = (&context.grid, context.model.network.channels());
        let Some(internal) = &group.internal else {
            return vec![0.0; 3 + grid.bins * (6 + channels.count())];
        };
        let heat: Vec<f64> = internal.exchanged().iter().map(|[heat, _]| *heat).collect();
        let over_t =
            |(c, q): (usize, &f64)| q * context.grid.cell_mean(c, |x| 1.0 / context.model.thermal_energy(x));
        let (faces, mean, interior) = carried(internal);
        let mut sums =
            vec![context.exposure(group), mean, interior, heat.iter().enumerate().map(over_t).sum()];
        sums.extend(&faces[1..grid.bins]);
        sums.extend(internal.seen().chunks(internal.cells()).map(|row| row.iter().sum::<u64>() as f64));
        sums.extend(internal.energies().iter().map(|[first, _]| first));
        sums.extend(internal.mobile().iter().map(|[alone, _]| alone));
        sums.extend(internal.mobile().iter().map(|[_, carrying]| carrying));
        sums.extend(context.per_bin(heat.into_iter()));
        for channel in channels {
            sums.extend(context.per_bin(group.profile.passages(channel.index).iter().map(|n| *n as f64)));
        }
        sums
    }

    fn evaluate(&self, context: &Context, sums: &[f64]) -> Vec<Vec<Option<f64>>> {
        let (bins, time) = (context.grid.bins, sums[0]);
        let per_length = time * context.grid.bin_width();
        let (heat_known, closes) =
            (context.model.has_heat(), context.model.domain.walls == Boundary::Reflecting);
        let still = closes && !forced(&context.model);
        let faces = sums[4..3 + bins].iter().map(|e| ratio(*e, time).filter(|_| closes)).collect();
        let mut profiles = sums[3 + bins..].chunks(bins);
        let mut profile = || profiles.next().unwrap_or_default();
        let (seen, energy, mobile) = (profile(), profile(), [profile(), profile()]);
        let mut result = vec![
            vec![ratio(sums[1], time).filter(|_| closes)],
            vec![ratio(sums[2], time).filter(|_| closes)],
            vec![ito(&context.grid, seen, mobile).filter(|_| still && short(context, seen, mobile[0]))],
            vec![ratio(-sums[3], time).filter(|_| heat_known)],
            faces,
            energy.iter().zip(seen).map(|(e, n)| ratio(*e, *n)).collect(),
        ];
        result.extend(profiles.map(|part| part.iter().map(|s| ratio(*s, per_length)).collect()));
        if !heat_known {
            result[6].fill(None);
        }
        result
    }

    fn why_undefined(&self, context: &Context, observable: Observable) -> String {
        let reason = match observable {
            Observable::ItoHeatCurrent if context.model.domain.walls == Boundary::Periodic => {
                "on a ring there is no interior"
            }
            Observable::ItoHeatCurrent if forced(&context.model) => "a force acts along x",
            Observable::ItoHeatCurrent => {
                "a step moves particles too far for Ito's form of their current, (pi/L)^2 <D> dt is above 0.15: \
                 take interior_heat_current, or a shorter dt"
            }
            Observable::MeanHeatCurrent | Observable::InteriorHeatCurrent | Observable::HeatCurrent
                if context.model.domain.walls == Boundary::Periodic =>
            {
                "on a ring only its differences are known from the heat absorbed"
            }
            Observable::EntropyProduction | Observable::HeatAbsorbed if !context.model.has_heat() => {
                "a transition has a free rate in one direction only: its heat is not known"
            }
            Observable::MeanEnergy => "no particle was seen here",
            _ => "no time was scored",
        };
        reason.into()
    }
}

/// Density and currents on the plane of x and the first coordinate, and the populations of the wells of its potential.
///
/// A well ends at the edge of a cell that is nearest to its barrier in the middle of the domain
/// ([`crate::model::Model::well_edges`]). A current is left out where a group counted fewer than ten passages to and fro, in
/// variance: it has no normal law there.
#[derive(Clone, Copy, Debug)]
pub struct InternalPlane;

/// Variance of a net count in a group below which it is left out.
const FEWEST: f64 = 10.0;

/// The first and last cell, exclusive, of every well.
fn wells(context: &Context, ends: [f64; 2]) -> Vec<[usize; 2]> {
    let edges = context.model.well_edges(ends, context.grid.across);
    edges.windows(2).map(|pair| [pair[0], pair[1]]).collect()
}

impl Estimator for InternalPlane {
    fn observables(&self, context: &Context) -> Vec<Observable> {
        use Observable::*;
        let ends = context.model.coordinate_reach().ok().and_then(|reach| reach.ends.first().copied());
        let wells = ends.map_or(0, |ends| wells(context, ends).len());
        let mut list: Vec<Observable> = (0..wells).map(WellPopulation).collect();
        list.extend([PlaneDensity, PlaneCurrentAlong, PlaneCurrentAcross]);
        list
    }

    /// Exposure, groups, width of the cells of each; walkers seen in wells, walkers seen on the plane, net passages along x and q, and their squares.
    fn sums(&self, context: &Context, group: &Group) -> Vec<f64> {
        let (bins, cells) = (context.grid.bins, context.grid.across);
        let Some(internal) = &group.internal else {
            return Vec::new();
        };
        let wells = wells(context, [internal.edge(0), internal.edge(cells)]);
        let seen = internal.seen();
        let mut sums = vec![context.exposure(group), 1.0, internal.cell_width()];
        sums.extend(wells.iter().map(|[first, last]| {
            seen.chunks(cells).map(|row| row[*first..*last].iter().sum::<u64>()).sum::<u64>() as f64
        }));
        sums.extend(seen.iter().map(|n| *n as f64));
        let along = internal.move_passages();
        let across = internal.shift_passages();
        let inner = across.chunks(cells + 1).flat_map(|row| &row[1..cells]);
        let counts: Vec<f64> = along[cells..bins * cells].iter().chain(inner).map(|n| *n as f64).collect();
        sums.extend(&counts);
        sums.extend(counts.iter().map(|n| n * n));
        sums
    }

    fn evaluate(&self, context: &Context, sums: &[f64]) -> Vec<Vec<Option<f64>>> {
        let (bins, cells) = (context.grid.bins, context.grid.across);
        let [time, groups, width] = [sums[0], sums[1], sums[2] / sums[1]];
        let counted = 2 * bins * cells - bins - cells;
        let wells = sums.len() - 3 - bins * cells - 2 * counted;
        let (in_wells, rest) = sums[3..].split_at(wells);
        let (seen, rest) = rest.split_at(bins * cells);
        let (counts, squares) = rest.split_at(counted);
        let all: f64 = seen.iter().sum();
        let area = width * context.grid.bin_width();
        let mut result: Vec<Vec<Option<f64>>> = in_wells.iter().map(|n| vec![ratio(*n, all)]).collect();
        result.push(seen.iter().map(|n| ratio(*n, all * area)).collect());
        let rates: Vec<Option<f64>> = counts
            .iter()
            .zip(squares)
            .enumerate()
            .map(|(k, (n, square))| {
                let size = if k < (bins - 1) * cells { width } else { context.grid.bin_width() };
                let variance = (square - n * n / groups) / (groups - 1.0);
                ratio(*n, time * size).filter(|_| variance >= FEWEST)
            })
            .collect();
        let (along, across) = rates.split_at((bins - 1) * cells);
        result.extend([along.to_vec(), across.to_vec()]);
        result
    }

    fn why_undefined(&self, _context: &Context, observable: Observable) -> String {
        let reason = match observable {
            Observable::PlaneCurrentAlong | Observable::PlaneCurrentAcross => {
                "fewer than ten passages to and fro in a group"
            }
            _ => "no particle was seen",
        };
        reason.into()
    }
}

/// Whether a force acts along x.
fn forced(model: &Model) -> bool {
    model.has_forces() || model.coordinates.as_ref().is_some_and(|c| c.has_force())
}

/// The weight of the interior at face `k`, over its integral.
fn interior(grid: &Grid, k: usize) -> f64 {
    let bins = grid.bins as f64;
    let (place, whole) = (k as f64 * (bins - k as f64), bins * (bins * bins - 1.0) / 6.0);
    // A single bin has no interior.
    if whole > 0.0 { place / (whole * grid.bin_width()) } else { 0.0 }
}

/// [`Observable::ItoHeatCurrent`]: `C sum_b (w_{b+1} - w_b) <E D>_b/<D>_b`, `w` at faces.
fn ito(grid: &Grid, seen: &[f64], [alone, carrying]: [&[f64]; 2]) -> Option<f64> {
    let c = ratio(alone.iter().sum(), grid.length * seen.iter().sum::<f64>())?;
    let mut sum = 0.0;
    for (b, (carrying, alone)) in carrying.iter().zip(alone).enumerate() {
        sum += (interior(grid, b + 1) - interior(grid, b)) * ratio(*carrying, *alone)?;
    }
    Some(c * sum).filter(|_| grid.bins > 1)
}

/// `(pi/L)^2 <D> dt`, by how much moves damp the longest wave in a step, up to which Ito's form of a current is told.
///
/// Moves for a time `t` turn the wave with wave number `k` into `exp(-D k^2 t)` of it, so that what flows is
/// `sinh(D k^2 dt/2)/(D k^2 dt/2)` times what Ito's form says of a law seen between two half moves. Larger `D` and shorter waves
/// have their part: for double wells the error is four times that of the longest wave at the mean `D`, by the law of
/// `theory::coordinate_chain`; at this limit 0.4 %.
const DAMPED: f64 = 0.15;

/// Whether a step is short enough for Ito's form of a current.
fn short(context: &Context, seen: &[f64], mobile: &[f64]) -> bool {
    let step = context.dwell.iter().flatten().copied().fold(0.0, f64::max);
    let wave = PI / context.grid.length;
    ratio(mobile.iter().sum(), seen.iter().sum()).is_some_and(|d| wave * wave * d * step < DAMPED)
}

/// Energy carried by moves through every face between bins, walls included, and its means over the domain and over the
/// interior: what was absorbed (heat and work) on the side of smaller x less what is stored there.
pub(crate) fn carried(internal: &InternalSpace) -> (Vec<f64>, f64, f64) {
    let (grid, mut sum, mut mean, mut inside) = (internal.grid(), 0.0, 0.0, 0.0);
    let mut faces = vec![0.0];
    for (c, ([heat, work], gain)) in internal.exchanged().iter().zip(internal.gain()).enumerate() {
        let absorbed = heat + work - gain;
        // Within a cell the mean over its length.
        let here = (sum + 0.5 * absorbed) * grid.cell_width();
        let (bin, place) = (c / grid.cells_per_bin, (c % grid.cells_per_bin) as f64 + 0.5);
        let part = place / grid.cells_per_bin as f64;
        mean += here / grid.length;
        inside += here * ((1.0 - part) * interior(grid, bin) + part * interior(grid, bin + 1));
        sum += absorbed;
        if (c + 1) % grid.cells_per_bin == 0 {
            faces.push(sum);
        }
    }
    (faces, mean, inside)
}

/// Groups of tallies that belong to no run, all on the same plane. Every function gives one [`Sample`] per entry, by leaving out one
/// group at a time; `None` where nothing was seen.
#[derive(Clone, Copy, Debug)]
pub struct Plane<'a> {
    /// The groups.
    pub groups: &'a [InternalSpace],
    /// Time that each group was scored for, summed over its walkers.
    pub duration: f64,
}

impl Plane<'_> {
    /// `P_tot(x)` per bin, 1/length.
    pub fn density(&self) -> Samples {
        self.seen(&|g| g.seen().chunks(g.cells()).map(|row| row.iter().sum::<u64>() as f64).collect(), &|g| {
            g.grid().bin_width()
        })
    }

    /// `P(x, q)` averaged over each bin and cell, bin by bin.
    pub fn plane_density(&self) -> Samples {
        self.seen(&|g| g.seen().iter().map(|n| *n as f64).collect(), &|g| {
            g.grid().bin_width() * g.cell_width()
        })
    }

    /// Mean energy of the particles in each bin.
    pub fn energy(&self) -> Samples {
        self.moments(&|n, first, _| ratio(first, n))
    }

    /// Variance of their energy in each bin.
    pub fn energy_variance(&self) -> Samples {
        self.moments(&|n, first, second| {
            let mean = ratio(first, n)?;
            Some(second / n - mean * mean)
        })
    }

    /// Mean energy over the domain.
    pub fn mean_energy(&self) -> Option<Sample> {
        let sums = |g: &InternalSpace| {
            let first: f64 = g.energies().iter().map(|[first, _]| first).sum();
            vec![first, g.seen().iter().sum::<u64>() as f64]
        };
        let groups: Vec<Vec<f64>> = self.groups.iter().map(sums).collect();
        jackknife(&groups, &|s| vec![ratio(s[0], s[1])]).pop()?
    }

    /// `J_x(x, q)` at the faces between bins, walls included, averaged over each cell of q; face by face.
    pub fn current_along_x(&self) -> Samples {
        self.rates(&|g| g.move_passages().iter().map(|n| *n as f64 / g.cell_width()).collect())
    }

    /// `J_q(x, q)` at the edges of the cells of q, averaged over each bin; bin by bin.
    pub fn current_along_q(&self) -> Samples {
        self.rates(&|g| g.shift_passages().iter().map(|n| *n as f64 / g.grid().bin_width()).collect())
    }

    /// `J_E` at every face between bins, walls included, energy per time. On a ring only differences between faces mean anything.
    pub fn heat_current(&self) -> Samples {
        self.rates(&|g| carried(g).0)
    }

    /// `J_E` averaged over the domain.
    pub fn mean_heat_current(&self) -> Option<Sample> {
        self.rates(&|g| vec![carried(g).1]).pop()?
    }

    /// The global Soret coefficient, as [`super::Soret`] has it, from bins; per unit of the temperature.
    pub fn soret(&self, temperature: &dyn Field) -> Option<Sample> {
        let grid = *self.groups.first()?.grid();
        let middle = |b: usize| temperature.value(grid.length * (b as f64 + 0.5) / grid.bins as f64);
        let temperatures: Vec<f64> = (0..grid.bins).map(middle).collect();
        let sums = |g: &InternalSpace| {
            let rows = g.seen().chunks(g.cells()).map(|row| row.iter().sum::<u64>() as f64);
            let (n, heated) =
                rows.zip(&temperatures).fold((0.0, 0.0), |(n, heated), (row, t)| (n + row, heated + row * t));
            vec![heated, n]
        };
        let groups: Vec<Vec<f64>> = self.groups.iter().map(sums).collect();
        let of = |s: &[f64]| exponential_family(&temperatures, ratio(s[0], s[1])?);
        jackknife(&groups, &|s| vec![of(s)]).pop()?
    }

    /// Counts over all counts and the size of an entry.
    fn seen(
        &self,
        counts: &dyn Fn(&InternalSpace) -> Vec<f64>,
        size: &dyn Fn(&InternalSpace) -> f64,
    ) -> Samples {
        let Some(first) = self.groups.first() else { return Vec::new() };
        let size = size(first);
        let groups: Vec<Vec<f64>> = self.groups.iter().map(counts).collect();
        jackknife(&groups, &|s| {
            let all: f64 = s.iter().sum();
            s.iter().map(|n| ratio(*n, all * size)).collect()
        })
    }

    fn moments(&self, of: &dyn Fn(f64, f64, f64) -> Option<f64>) -> Samples {
        let Some(first) = self.groups.first() else { return Vec::new() };
        let bins = first.grid().bins;
        let sums = |g: &InternalSpace| {
            let rows = g.seen().chunks(g.cells()).zip(g.energies());
            rows.flat_map(|(row, [a, b])| [row.iter().sum::<u64>() as f64, *a, *b]).collect()
        };
        let groups: Vec<Vec<f64>> = self.groups.iter().map(sums).collect();
        jackknife(&groups, &|s| (0..bins).map(|b| of(s[3 * b], s[3 * b + 1], s[3 * b + 2])).collect())
    }

    /// Sums over time.
    fn rates(&self, of: &dyn Fn(&InternalSpace) -> Vec<f64>) -> Samples {
        let sums = |g: &InternalSpace| {
            let mut sums = of(g);
            sums.push(self.duration);
            sums
        };
        let groups: Vec<Vec<f64>> = self.groups.iter().map(sums).collect();
        jackknife(&groups, &|s| {
            let (entries, time) = s.split_at(s.len() - 1);
            entries.iter().map(|n| ratio(*n, time[0])).collect()
        })
    }
}
