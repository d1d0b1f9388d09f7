//! What is scored while units move and change their species.

use super::kinds::{Kind, Turn};
use super::mean_field::{MeanField, Units};
use super::{ReactionError, in_range};
use crate::event::{Counts, Moves, Occupancy, Tally, Transitions, Visits};
use crate::grid::Grid;
use crate::model::Way;
use serde::{Deserialize, Serialize};

/// Sums over the windows of a run, kind by kind.
///
/// Units cross faces only when they move, so that their net passages are what turned into the species on the left of a
/// face less what became of it there,
/// ```text
/// passages_s = sum_(cells left) [turns into s - turns out of s - change of n_s],
/// ```
/// an identity between integers for each kind and species.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnitTally {
    cells: usize,
    length: f64,
    /// Legs of all units that ended in a candidate.
    pub(super) legs: u64,
    kinds: Vec<Sums>,
}

/// What is known of one kind, state or turn major, cells minor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Sums {
    kind: Kind,
    /// Units in the domain, in units of concentration times length.
    amount: f64,
    /// Time that units have spent.
    time: Vec<f64>,
    /// By how many units a state changed in all.
    gains: Vec<i64>,
    /// How often each turn was taken.
    turns: Vec<u64>,
}

/// Visits and turns of one window.
pub(super) struct Scores {
    cells: usize,
    pub visits: Vec<u64>,
    pub turns: Vec<u64>,
}

impl Scores {
    pub fn new(states: usize, turns: usize, cells: usize) -> Self {
        Scores { cells, visits: vec![0; states * cells], turns: vec![0; turns * cells] }
    }
}

impl Sums {
    /// Time of all units over the units that make up one unit of concentration and length: what sums of events are
    /// divided by. `None` for a kind that was not seen.
    fn exposure(&self) -> Option<f64> {
        let time: f64 = self.time.iter().sum();
        (time > 0.0 && self.amount > 0.0).then(|| time / self.amount)
    }
}

impl Tally for Scores {
    const EVENTS: bool = false;

    fn counted(&mut self, counts: &Counts<'_>) {
        self.visits.iter_mut().zip(counts.visits).for_each(|(sum, n)| *sum += n);
        // Every turn is an edge that is open forward.
        for (turn, passages) in counts.passages.chunks(self.cells).step_by(2).enumerate() {
            let sums = &mut self.turns[turn * self.cells..][..self.cells];
            sums.iter_mut().zip(passages).for_each(|(sum, n)| *sum += n);
        }
    }

    #[inline]
    fn moves(&mut self, moves: &Moves<'_>) {
        let places =
            moves.state.iter().zip(moves.cell).map(|(s, c)| usize::from(*s) * self.cells + *c as usize);
        match moves.visits {
            Visits::None => {}
            Visits::All => places.for_each(|place| self.visits[place] += 1),
            Visits::Some(scored) => {
                places.zip(scored).for_each(|(place, scored)| self.visits[place] += u64::from(*scored));
            }
        }
    }

    #[inline]
    fn transitions(&mut self, transitions: &Transitions<'_>) {
        for (channel, cell) in transitions.channel.iter().zip(transitions.cell) {
            self.turns[usize::from(channel / 2) * self.cells + *cell as usize] += 1;
        }
    }
}

impl UnitTally {
    /// An empty tally of a method.
    pub fn new(method: &MeanField) -> Self {
        let cells = method.grid().cells();
        let length = method.grid().length;
        let of = |(kind, total): (&Kind, &f64)| Sums {
            amount: total * length,
            time: vec![0.0; kind.states.len() * cells],
            gains: vec![0; kind.states.len() * cells],
            turns: vec![0; kind.turns.len() * cells],
            kind: kind.clone(),
        };
        UnitTally {
            cells,
            length,
            legs: 0,
            kinds: method.kinds().iter().zip(method.totals()).map(of).collect(),
        }
    }

    pub(super) fn fits(&self, method: &MeanField) -> Result<(), ReactionError> {
        let all = self.kinds.len() == method.kinds().len()
            && self.kinds.iter().zip(method.kinds()).all(|(sums, kind)| sums.kind == *kind);
        in_range("the cells of a tally", "those of the method", self.cells as f64, |_| {
            self.cells == method.grid().cells() && all
        })
    }

    /// Adds a window of a kind; `dwell` is what a visit stands for.
    pub(super) fn add(&mut self, kind: usize, scores: &Scores, dwell: impl Fn(usize, usize) -> f64) {
        let sums = &mut self.kinds[kind];
        for (place, (time, visits)) in sums.time.iter_mut().zip(&scores.visits).enumerate() {
            *time += *visits as f64 * dwell(place / self.cells, place % self.cells);
        }
        sums.turns.iter_mut().zip(&scores.turns).for_each(|(sum, n)| *sum += n);
    }

    /// Occupations, at the start with the sign -1, at the end with 1.
    pub(super) fn change(&mut self, grid: &Grid, units: &Units, sign: i64) {
        for (sums, walkers) in self.kinds.iter_mut().zip(&units.kinds) {
            let states = sums.kind.states.len();
            let occupancy = Occupancy::of(walkers, states, grid);
            let counts = (0..states).flat_map(|s| occupancy.state(s));
            sums.gains.iter_mut().zip(counts).for_each(|(gain, n)| *gain += sign * *n as i64);
        }
    }

    /// Cells in which events are scored.
    pub fn cells(&self) -> usize {
        self.cells
    }

    /// Legs of all units scored, but for those that were cut at the end of a window.
    pub fn legs(&self) -> u64 {
        self.legs
    }

    /// How many times units changed their species, all kinds together.
    pub fn turns(&self) -> u64 {
        self.kinds.iter().flat_map(|sums| &sums.turns).sum()
    }

    /// Cells per bin; `None` unless that is a whole number.
    fn width(&self, bins: usize) -> Option<usize> {
        (bins > 0 && self.cells.is_multiple_of(bins)).then(|| self.cells / bins)
    }

    /// Mean time per unit of a kind, which is the duration of the run.
    pub fn duration(&self, kind: usize, units: &Units) -> Option<f64> {
        let count = units.kinds.get(kind)?.len();
        (count > 0).then(|| self.kinds[kind].time.iter().sum::<f64>() / count as f64)
    }

    fn species(&self) -> usize {
        let all = self.kinds.iter().flat_map(|sums| &sums.kind.states);
        all.map(|member| member.species + 1).max().unwrap_or(0)
    }

    /// Mean concentrations, `[species][bin]`; of a species that several kinds tell the mean of what they say. Like all
    /// that follows `None` for bins that are no whole number of cells.
    pub fn concentrations(&self, bins: usize) -> Option<Vec<Vec<f64>>> {
        let width = self.width(bins)?;
        let mut c = vec![vec![0.0; bins]; self.species()];
        let per_bin = self.length / bins as f64;
        for sums in &self.kinds {
            let Some(exposure) = sums.exposure() else { continue };
            for (member, time) in sums.kind.states.iter().zip(sums.time.chunks(self.cells)) {
                let scale = member.share / (member.content as f64 * exposure * per_bin);
                for (c, time) in c[member.species].iter_mut().zip(time.chunks(width)) {
                    *c += scale * time.iter().sum::<f64>();
                }
            }
        }
        Some(c)
    }

    /// Concentrations, `[species][bin]`, where so many units are in every bin: `counts` kind by kind, of each state by
    /// state.
    pub fn concentrations_of(&self, counts: &[u32], bins: usize) -> Vec<Vec<f64>> {
        let mut c = vec![vec![0.0; bins]; self.species()];
        let per_bin = self.length / bins as f64;
        let mut left = counts;
        for sums in &self.kinds {
            let (own, others) = left.split_at((sums.kind.states.len() * bins).min(left.len()));
            left = others;
            let units: u64 = own.iter().map(|n| u64::from(*n)).sum();
            for (member, counts) in sums.kind.states.iter().zip(own.chunks(bins)) {
                let scale =
                    member.share * sums.amount / (member.content as f64 * per_bin * units.max(1) as f64);
                c[member.species].iter_mut().zip(counts).for_each(|(c, n)| *c += scale * f64::from(*n));
            }
        }
        c
    }

    /// Net passages of the units of a kind through the faces of bins towards larger x, `[state][face]`, the walls
    /// included.
    pub fn crossings(&self, kind: usize, bins: usize) -> Option<Vec<Vec<i64>>> {
        let width = self.width(bins)?;
        let sums = self.kinds.get(kind)?;
        let mut made: Vec<i64> = sums.gains.iter().map(|gain| -gain).collect();
        for (Turn { from, to, .. }, counts) in sums.kind.turns.iter().zip(sums.turns.chunks(self.cells)) {
            for (cell, n) in counts.iter().enumerate() {
                made[from * self.cells + cell] -= *n as i64;
                made[to * self.cells + cell] += *n as i64;
            }
        }
        let through = |made: &[i64]| {
            let running = made.chunks(width).scan(0, |sum, cells| {
                *sum += cells.iter().sum::<i64>();
                Some(*sum)
            });
            std::iter::once(0).chain(running).collect()
        };
        Some(made.chunks(self.cells).map(through).collect())
    }

    /// Currents, concentration times length per time, `[species][face]`.
    pub fn currents(&self, bins: usize) -> Option<Vec<Vec<f64>>> {
        let mut currents = vec![vec![0.0; bins + 1]; self.species()];
        for (k, sums) in self.kinds.iter().enumerate() {
            let crossings = self.crossings(k, bins)?;
            let Some(exposure) = sums.exposure() else { continue };
            for (member, faces) in sums.kind.states.iter().zip(crossings) {
                let scale = member.share / (member.content as f64 * exposure);
                let sums = currents[member.species].iter_mut().zip(faces);
                sums.for_each(|(j, n)| *j += scale * n as f64);
            }
        }
        Some(currents)
    }

    /// Passages of every way per length and time in units of concentration, `[way][bin]`; the mean of what the kinds say
    /// that change their species in it.
    pub fn rates(&self, bins: usize) -> Option<Vec<Vec<f64>>> {
        let width = self.width(bins)?;
        let per_bin = self.length / bins as f64;
        let ways = self.kinds.first().map_or(0, |sums| sums.kind.turnover.len());
        let mut rates = vec![vec![0.0; bins]; ways];
        for sums in &self.kinds {
            let Some(exposure) = sums.exposure() else { continue };
            for (turn, counts) in sums.kind.turns.iter().zip(sums.turns.chunks(self.cells)) {
                let way = turn.way.index();
                let tellers = self.kinds.iter().filter(|sums| sums.kind.turnover[way] > 0).count();
                let scale = 1.0 / (tellers as f64 * sums.kind.turnover[way] as f64 * exposure * per_bin);
                for (rate, counts) in rates[way].iter_mut().zip(counts.chunks(width)) {
                    *rate += scale * counts.iter().sum::<u64>() as f64;
                }
            }
        }
        Some(rates)
    }

    /// Heat taken from the bath in every bin per length and time, in units of energy and concentration.
    ///
    /// A unit in species `s` owns the part `share/m_s` of its enthalpy, and absorbs what it gains of that in a turn. Summed
    /// over units this is the enthalpy of the reaction; and it is what units carry away through faces, to the
    /// last turn.
    pub fn heat(&self, bins: usize) -> Option<Vec<f64>> {
        let width = self.width(bins)?;
        let per_bin = self.length / bins as f64;
        let mut heat = vec![0.0; bins];
        for sums in &self.kinds {
            let Some(exposure) = sums.exposure() else { continue };
            let owned = |state: usize| {
                let member = sums.kind.states[state];
                member.enthalpy * member.share / member.content as f64
            };
            for (turn, counts) in sums.kind.turns.iter().zip(sums.turns.chunks(self.cells)) {
                let gain = (owned(turn.to) - owned(turn.from)) / (exposure * per_bin);
                for (heat, counts) in heat.iter_mut().zip(counts.chunks(width)) {
                    *heat += gain * counts.iter().sum::<u64>() as f64;
                }
            }
        }
        Some(heat)
    }

    /// How often units of a kind turned along a way.
    pub fn turns_along(&self, kind: usize, way: Way) -> u64 {
        let Some(sums) = self.kinds.get(kind) else { return 0 };
        let pairs = sums.kind.turns.iter().zip(sums.turns.chunks(self.cells));
        pairs.filter(|(turn, _)| turn.way == way).map(|(_, counts)| counts.iter().sum::<u64>()).sum()
    }

    /// What must hold for integers and does not, in words: no unit passes a wall, none is lost.
    pub fn broken(&self) -> Vec<&'static str> {
        let mut broken = Vec::new();
        let passed = |kind: usize| self.crossings(kind, 1).iter().flatten().any(|faces| faces[1] != 0);
        if (0..self.kinds.len()).any(passed) {
            broken.push("units passed a wall");
        }
        if self.kinds.iter().any(|sums| sums.gains.iter().sum::<i64>() != 0) {
            broken.push("units were lost");
        }
        broken
    }
}

/// Bins whose boundaries are those of whole cells.
pub(super) fn coarse(grid: &Grid, fine: &[f64]) -> Vec<f64> {
    fine.chunks(grid.cells_per_bin).map(|cells| cells.iter().sum()).collect()
}
