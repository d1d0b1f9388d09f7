//! What populations that react are measured by.
//!
//! Everything is per unit of concentration, not per particle: `c_k` counts particles per length in units in which
//! `omega` particles make one, and currents, rates and heat are those of such units. Only Soret coefficients and the
//! mean temperature do not depend on that unit; the density that they speak of is that of the content,
//! `c_tot = sum_k m_k c_k`.

use super::soret::{differ, exponential_family, faces_of_cells};
use super::{Context, Estimator, ratio};
use crate::ensemble::{Crowd, Group};
use crate::grid::Grid;
use crate::model::{Kinetics, Mixture};
use crate::observable::{Instant, Observable};

/// Temperatures of two walls that differ by less than this are alike.
const ALIKE: f64 = 1e-6;

/// A group with what is known of its cells.
struct Seen<'a> {
    mixture: &'a Mixture,
    crowd: &'a Crowd,
    /// The cells as bins.
    cells: Grid,
}

impl<'a> Seen<'a> {
    fn of(context: &'a Context, group: &'a Group) -> Option<Self> {
        let (mixture, crowd) = (context.model.mixture.as_deref()?, group.population.as_ref()?);
        let bins = crowd.cells();
        Some(Seen { mixture, crowd, cells: Grid { bins, cells_per_bin: 1, ..context.grid } })
    }

    /// Concentration times time, `[species][cell]`.
    fn concentrations(&self) -> Vec<Vec<f64>> {
        let mut c = self.crowd.concentrations(&self.cells);
        c.resize(self.mixture.species().len(), vec![0.0; self.cells.bins]);
        c
    }

    /// Net passages through the faces of cells over `omega`, `[species][face]`, walls included.
    fn crossings(&self) -> Vec<Vec<f64>> {
        let (mut crossings, omega) =
            (self.crowd.crossings(self.mixture, self.cells.bins), self.crowd.omega());
        crossings.iter_mut().flatten().for_each(|n| *n /= omega);
        crossings
    }

    /// Content times time in every cell.
    fn content(&self, concentrations: &[Vec<f64>]) -> Vec<f64> {
        let mut content = vec![0.0; self.cells.bins];
        for (species, c) in self.mixture.species().iter().zip(concentrations) {
            content.iter_mut().zip(c).for_each(|(sum, c)| *sum += f64::from(species.content) * c);
        }
        content
    }

    fn middle(&self, cell: usize) -> f64 {
        self.cells.length * (cell as f64 + 0.5) / self.cells.bins as f64
    }
}

/// Adds up cells per bin.
fn per_bin(grid: &Grid, cells: &[f64]) -> Vec<f64> {
    cells.chunks((cells.len() / grid.bins).max(1)).map(|c| c.iter().sum()).collect()
}

/// Soret coefficients of the content, and its mean temperature.
///
/// - `soret`: the `S` for which `exp(-S T(x))` has the mean temperature of the content.
/// - `soret_wall`: from contents at both walls, by the cubic that has the moments of the outermost bins.
/// - `S_T(x)`: `c_tot' = -sum_k m_k (J_k + D_k' c_k)/D_k`, so that its fall across a bin is a windowed current.
#[derive(Clone, Copy, Debug)]
pub struct ContentSoret;

impl Estimator for ContentSoret {
    fn observables(&self, _context: &Context) -> Vec<Observable> {
        use Observable::*;
        vec![Soret, SoretWall, MeanTemperature, LocalSoret]
    }

    /// Groups; time, content x time, content x time x T, contents at both walls; content and its fall per bin.
    fn sums(&self, context: &Context, group: &Group) -> Vec<f64> {
        let bins = context.grid.bins;
        let Some(seen) = Seen::of(context, group) else { return vec![0.0; 5 + 2 * bins] };
        let c = seen.concentrations();
        let content = seen.content(&c);
        let temperature = |cell: usize| seen.cells.cell_mean(cell, |x| context.model.temperature.value(x));
        let heated: f64 = content.iter().enumerate().map(|(cell, n)| n * temperature(cell)).sum();
        // The same number of cells in every bin, as they are reported.
        let fine = Grid { cells_per_bin: seen.cells.bins / bins, ..context.grid };
        let faces = faces_of_cells(&fine, &content);
        let (left, right) = (faces.first().copied(), faces.last().copied());
        let mut fall = vec![0.0; seen.cells.bins];
        let h = seen.cells.bin_width();
        for (k, (species, through)) in seen.mixture.species().iter().zip(seen.crossings()).enumerate() {
            for (cell, fall) in fall.iter_mut().enumerate() {
                let (lo, hi) = (seen.cells.face(cell), seen.cells.face(cell + 1));
                // One-sided limits at the faces.
                let nudge = 1e-9 * h;
                let ends = [lo + nudge, hi - nudge].map(|x| seen.mixture.diffusivity(k, x));
                let middle = seen.mixture.diffusivity(k, seen.middle(cell));
                let flow = 0.5 * (through[cell] + through[cell + 1]) * h;
                *fall += f64::from(species.content) * (flow + c[k][cell] * (ends[1] - ends[0])) / middle;
            }
        }
        let wall = |c: Option<f64>| c.unwrap_or(0.0) * fine.cell_width();
        let mut sums = vec![seen.crowd.time(), content.iter().sum(), heated, wall(left), wall(right)];
        sums.extend(
            per_bin(&context.grid, &content).iter().map(|n| n * bins as f64 / seen.cells.bins as f64),
        );
        sums.extend(per_bin(&context.grid, &fall));
        sums
    }

    fn evaluate(&self, context: &Context, sums: &[f64]) -> Vec<Vec<Option<f64>>> {
        let grid = &context.grid;
        let (content, fall) = sums[5..].split_at(grid.bins);
        let field = &context.model.temperature;
        let mean = ratio(sums[2], sums[1]);
        let [at_left, at_right] = [0.0, grid.length].map(|x| field.value(x));
        let apart = (at_left - at_right).abs() > ALIKE * at_left.max(at_right);
        let wall = (apart && sums[3] > 0.0 && sums[4] > 0.0)
            .then(|| -libm::log(sums[4] / sums[3]) / (at_right - at_left));
        let local = |b: usize| {
            let nudge = 1e-9 * grid.cell_width();
            let (lo, hi) = (field.value(grid.face(b) + nudge), field.value(grid.face(b + 1) - nudge));
            (differ(lo, hi) && content[b] > 0.0).then(|| fall[b] / (content[b] * (hi - lo)))
        };
        let temperatures: Vec<f64> =
            (0..grid.cells()).map(|c| grid.cell_mean(c, |x| field.value(x))).collect();
        let soret = mean.and_then(|m| exponential_family(&temperatures, m));
        vec![vec![soret], vec![wall], vec![mean], (0..grid.bins).map(local).collect()]
    }

    fn why_undefined(&self, _context: &Context, observable: Observable) -> String {
        let reason = match observable {
            Observable::SoretWall => {
                "the temperature is the same at both walls, or there is no content at one"
            }
            Observable::LocalSoret => {
                "the temperature does not change across this bin, or there is no content"
            }
            Observable::Soret => "the temperature is uniform, or there is no content",
            _ => "there is no content",
        };
        reason.into()
    }
}

/// Concentrations: their means, profiles, the content `sum_k m_k c_k`, and `sum_k m_k D_k c_k`, which is flat between
/// walls whatever the rates, where the content is conserved.
#[derive(Clone, Copy, Debug)]
pub struct Concentrations;

impl Estimator for Concentrations {
    fn observables(&self, context: &Context) -> Vec<Observable> {
        use Observable::*;
        let species = 0..context.states();
        let mut list: Vec<Observable> = species.clone().map(MeanConcentration).collect();
        list.extend([Content, TransportedContent]);
        list.extend(species.map(Concentration));
        list
    }

    /// Time; per bin the content, `sum_k m_k D_k c_k` and every species, all times time.
    fn sums(&self, context: &Context, group: &Group) -> Vec<f64> {
        let Some(seen) = Seen::of(context, group) else {
            return vec![0.0; 1 + context.grid.bins * (2 + context.states())];
        };
        let c = seen.concentrations();
        let share = context.grid.bins as f64 / seen.cells.bins as f64;
        let mut moved = vec![0.0; seen.cells.bins];
        for (k, species) in seen.mixture.species().iter().enumerate() {
            for (cell, sum) in moved.iter_mut().enumerate() {
                let d = seen.cells.cell_mean(cell, |x| seen.mixture.diffusivity(k, x));
                *sum += f64::from(species.content) * d * c[k][cell];
            }
        }
        let mut sums = vec![seen.crowd.time()];
        for cells in [seen.content(&c), moved].iter().chain(&c) {
            sums.extend(per_bin(&context.grid, cells).iter().map(|n| n * share));
        }
        sums
    }

    fn evaluate(&self, context: &Context, sums: &[f64]) -> Vec<Vec<Option<f64>>> {
        let bins = context.grid.bins;
        let profiles: Vec<Vec<Option<f64>>> =
            sums[1..].chunks(bins).map(|part| part.iter().map(|n| ratio(*n, sums[0])).collect()).collect();
        let mean =
            |part: &Vec<Option<f64>>| part.iter().copied().sum::<Option<f64>>().map(|sum| sum / bins as f64);
        let mut result: Vec<Vec<Option<f64>>> = profiles[2..].iter().map(|part| vec![mean(part)]).collect();
        result.extend(profiles);
        result
    }

    fn why_undefined(&self, _context: &Context, _observable: Observable) -> String {
        "no time was scored".into()
    }
}

/// Currents by counts, net rates of reactions, and the heat that they take from the bath.
#[derive(Clone, Copy, Debug)]
pub struct ReactionCurrents;

/// Whether heat tells the entropy that is produced: where all ratios of rates follow from energies.
fn heat_is_entropy(mixture: &Mixture) -> bool {
    mixture.reactions().iter().all(|r| matches!(r.kinetics, Kinetics::VantHoff { .. }))
}

impl Estimator for ReactionCurrents {
    fn observables(&self, context: &Context) -> Vec<Observable> {
        use Observable::*;
        let reactions = context.model.mixture.as_ref().map_or(0, |m| m.reactions().len());
        let mut list: Vec<Observable> = (0..context.states()).map(MeanCurrent).collect();
        list.extend([MeanHeatCurrent, EntropyProduction, ContentCurrent, HeatCurrent]);
        list.extend((0..context.states()).map(Current));
        list.push(HeatAbsorbed);
        list.extend((0..reactions).map(NetRate));
        list
    }

    /// Time, sum of heat over kT; per species the mean current; per species the interior faces; per bin the heat
    /// and the net passages of every reaction.
    fn sums(&self, context: &Context, group: &Group) -> Vec<f64> {
        let (bins, species) = (context.grid.bins, context.states());
        let Some(seen) = Seen::of(context, group) else { return Vec::new() };
        let omega = seen.crowd.omega();
        let heat = seen.crowd.heat(seen.mixture, seen.cells.bins);
        let over_t = |(cell, q): (usize, &f64)| {
            q * seen.cells.cell_mean(cell, |x| 1.0 / context.model.thermal_energy(x)) / omega
        };
        let mut sums = vec![seen.crowd.time(), heat.iter().enumerate().map(over_t).sum()];
        let through = seen.crossings();
        let width = seen.cells.bins / bins;
        sums.extend(through.iter().map(|faces| {
            let ends = 0.5 * (faces[0] + faces[seen.cells.bins]);
            (faces[1..seen.cells.bins].iter().sum::<f64>() + ends) / seen.cells.bins as f64
        }));
        for faces in &through[..species] {
            sums.extend((1..bins).map(|b| faces[b * width]));
        }
        sums.extend(per_bin(&context.grid, &heat).iter().map(|q| q / omega));
        for pair in seen.crowd.passages(bins).chunks(2) {
            sums.extend(pair[0].iter().zip(&pair[1]).map(|(f, b)| (f - b) / omega));
        }
        sums
    }

    fn evaluate(&self, context: &Context, sums: &[f64]) -> Vec<Vec<Option<f64>>> {
        let Some(mixture) = context.model.mixture.as_deref() else { return Vec::new() };
        let (bins, species) = (context.grid.bins, context.states());
        let time = sums[0];
        let per_length = time * context.grid.bin_width();
        let (means, rest) = sums[2..].split_at(species);
        let (faces, rest) = rest.split_at(species * (bins - 1));
        let weighed = |values: &dyn Fn(usize) -> f64, weight: &dyn Fn(usize) -> f64| {
            (0..species).map(|k| weight(k) * values(k)).sum::<f64>()
        };
        let energy = |k: usize| mixture.species()[k].energy;
        let content = |k: usize| f64::from(mixture.species()[k].content);
        let through = |weight: &dyn Fn(usize) -> f64| -> Vec<Option<f64>> {
            let at = |b: usize| ratio(weighed(&|k| faces[k * (bins - 1) + b], weight), time);
            (0..bins - 1).map(at).collect()
        };
        let mut result: Vec<Vec<Option<f64>>> = means.iter().map(|j| vec![ratio(*j, time)]).collect();
        result.push(vec![ratio(weighed(&|k| means[k], &energy), time)]);
        result.push(vec![ratio(-sums[1], time).filter(|_| heat_is_entropy(mixture))]);
        result.extend([through(&content), through(&energy)]);
        result.extend(faces.chunks(bins - 1).map(|part| part.iter().map(|n| ratio(*n, time)).collect()));
        result.extend(rest.chunks(bins).map(|part| part.iter().map(|n| ratio(*n, per_length)).collect()));
        result
    }

    fn why_undefined(&self, context: &Context, observable: Observable) -> String {
        let known = context.model.mixture.as_deref().is_none_or(heat_is_entropy);
        match observable {
            Observable::EntropyProduction if !known => {
                "the rates of a reaction do not follow from energies: heat does not tell its entropy".into()
            }
            _ => "no time was scored".into(),
        }
    }
}

/// What is seen of a population at the observation times.
#[derive(Clone, Copy, Debug)]
pub struct ReactionSnapshots;

impl Estimator for ReactionSnapshots {
    fn observables(&self, context: &Context) -> Vec<Observable> {
        let species = || 0..context.states();
        let at = |k: usize| {
            let means = species().map(Instant::MeanConcentration);
            let profiles = species().map(Instant::Concentration);
            means.chain([Instant::Content]).chain(profiles).map(move |what| Observable::At(k, what))
        };
        (0..context.times.len()).flat_map(at).collect()
    }

    /// Groups; per time, species and bin the concentration.
    fn sums(&self, context: &Context, group: &Group) -> Vec<f64> {
        let entries = context.times.len() * context.states() * context.grid.bins;
        let mut sums = vec![1.0];
        if let Some(crowd) = &group.population {
            sums.extend(group.snapshots.iter().flat_map(|s| crowd.seen_in(s, &context.grid)));
        }
        sums.resize(1 + entries, 0.0);
        sums
    }

    fn evaluate(&self, context: &Context, sums: &[f64]) -> Vec<Vec<Option<f64>>> {
        let (bins, species) = (context.grid.bins, context.states());
        let content =
            |k: usize| context.model.mixture.as_ref().map_or(0.0, |m| f64::from(m.species()[k].content));
        let mut result = Vec::new();
        for moment in sums[1..].chunks(species * bins) {
            let profiles: Vec<Vec<Option<f64>>> =
                moment.chunks(bins).map(|c| c.iter().map(|n| ratio(*n, sums[0])).collect()).collect();
            let mean = |c: &[f64]| ratio(c.iter().sum::<f64>() / bins as f64, sums[0]);
            result.extend(moment.chunks(bins).map(|c| vec![mean(c)]));
            let total = |b: usize| (0..species).map(|k| content(k) * moment[k * bins + b]).sum::<f64>();
            result.push((0..bins).map(|b| ratio(total(b), sums[0])).collect());
            result.extend(profiles);
        }
        result
    }

    fn why_undefined(&self, _context: &Context, _observable: Observable) -> String {
        "the run ended before".into()
    }
}

/// Integer identities: no particle passes a wall, no law is broken, in the tallies and in the population itself.
pub(super) fn broken(context: &Context, groups: &[Group]) -> Option<Vec<(&'static str, String)>> {
    let mixture = context.model.mixture.as_deref()?;
    if let Some(volume) = &context.volume {
        return Some(vec![kept(mixture, &volume.start, groups)]);
    }
    let (mut leaks, mut changed, mut passages) = (0u64, 0u64, 0u64);
    for crowd in groups.iter().filter_map(|g| g.population.as_ref()) {
        let broken = crowd.broken(mixture);
        leaks += broken.leaks;
        changed += broken.changed;
        passages += crowd.events(mixture);
    }
    Some(vec![
        ("no particle passes a wall", format!("{leaks} groups of {} leak", groups.len())),
        ("reactions keep what they conserve", format!("{changed} totals changed in {passages} reactions")),
    ])
}

/// Totals of every realisation of a volume, which reactions leave as they were at the start.
fn kept(mixture: &Mixture, start: &[u64], groups: &[Group]) -> (&'static str, String) {
    let total = |law: &Vec<i64>, counts: &[u64]| -> i64 {
        law.iter().zip(counts).map(|(m, n)| m.wrapping_mul(*n as i64)).fold(0, i64::wrapping_add)
    };
    let mut changed = 0u64;
    let mut events = 0;
    for group in groups.iter().filter_map(|g| g.realisations.as_ref()) {
        events += group.events;
        for counts in group.counts.chunks(group.species) {
            changed += mixture.laws().iter().filter(|l| total(l, counts) != total(l, start)).count() as u64;
        }
    }
    ("reactions keep what they conserve", format!("{changed} totals changed in {events} reactions"))
}
