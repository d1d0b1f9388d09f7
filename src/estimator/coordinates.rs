//! Densities and currents of particles with continuous internal coordinates, from groups of [`InternalSpace`] tallies.
//!
//! On the plane of x and one coordinate q, summed over states: `P(x, q)` per length and per unit of q, normalised, the
//! currents `J_x(x, q)` and `J_q(x, q)` by counts, and `J_E(x)`. Every function gives one [`Sample`] per entry, by leaving
//! out one group at a time; `None` where nothing was seen.

use super::ratio;
use super::soret::exponential_family;
use super::velocities::Samples;
use crate::internal_space::InternalSpace;
use crate::model::Field;
use crate::stats::{Sample, jackknife};

/// Groups to be evaluated, all on the same plane.
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

    /// `J_E` at every face between bins, walls included, energy per time: what was absorbed (heat and work) to the left of the face
    /// less what is stored there, which closes exactly. On a ring only differences between faces mean anything.
    pub fn heat_current(&self) -> Samples {
        self.rates(&|g| {
            let mut sum = 0.0;
            let cells = g.exchanged().iter().zip(g.gain()).map(|([heat, work], gain)| heat + work - gain);
            let absorbed: Vec<f64> = cells.collect();
            let bins = absorbed.chunks(g.grid().cells_per_bin).map(|cells| {
                sum += cells.iter().sum::<f64>();
                sum
            });
            std::iter::once(0.0).chain(bins.collect::<Vec<_>>()).collect()
        })
    }

    /// `J_E` averaged over the domain.
    pub fn mean_heat_current(&self) -> Option<Sample> {
        let sums = |g: &InternalSpace| {
            let (grid, mut sum, mut mean) = (g.grid(), 0.0, 0.0);
            for ([heat, work], gain) in g.exchanged().iter().zip(g.gain()) {
                let absorbed = heat + work - gain;
                // Within a cell the mean over its length.
                mean += (sum + 0.5 * absorbed) / grid.cells() as f64;
                sum += absorbed;
            }
            vec![mean, self.duration]
        };
        let groups: Vec<Vec<f64>> = self.groups.iter().map(sums).collect();
        jackknife(&groups, &|s| vec![ratio(s[0], s[1])]).pop()?
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
