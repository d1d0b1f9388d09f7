//! Bounds on rates: what makes legs exact and fast at once.
//!
//! State `i` gets a rate of candidates `K_i` that is nowhere below its exit rate. A candidate picks a
//! channel `c` with probability `m_c/64`, `m_c` whole, chosen so that `K_c = K_i m_c/64` is nowhere below
//! the channel's rate, and becomes a transition with probability `k_c(x)/K_c`. That probability is
//! enclosed between a lower and an upper bound on every cell, by interval arithmetic; a uniform word
//! outside the enclosure is decided by an integer comparison, and only a word inside it (a fraction of
//! about the relative change of the rate over a cell, 1e-3) asks for the rate itself. The decision is
//! therefore exact everywhere, and costs a table look-up.
//!
//! Rates are per unit of the state's clock (see `scale`): `k(x)/c(x)` with `c = D s'^2`. Where `c` varies,
//! a visit stands for the time `1/(K c(x))`. Instead of a weight per visit, a visit is *scored* with
//! probability `c_low/c(x)`, `c_low` the lower bound on its cell, decided in the same way; scored visits
//! all weigh `1/(K c_low)`, and tallies stay integers.

use super::KernelError;
use super::scale::Clocks;
use crate::expression::Interval;
use crate::grid::Grid;
use crate::model::{Channel, Model};

/// How many parts the candidates of a state are dealt into.
pub(super) const SLOTS: usize = super::MOST_EXITS;

/// `2^32`: probabilities are compared in units of its inverse.
pub(super) const ONE: f64 = 4_294_967_296.0;

/// Candidate rates of every state and channel, per unit of the state's clock: 1/length^2.
#[derive(Clone, Debug, PartialEq)]
pub struct CandidateRates {
    /// `K_i` per state.
    pub state: Vec<f64>,
    /// `K_c` per channel, by channel index.
    pub channel: Vec<f64>,
    /// Channel of each of the 64 slots of each state; the number of channels where a slot has none.
    pub(super) slots: Vec<[u16; SLOTS]>,
}

/// Enclosures of probabilities on every cell.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tables {
    /// Acceptance of a candidate per (channel, cell); the last channel is "no channel".
    pub accept: Vec<Row>,
    /// Scoring of a visit per (state, cell); empty if every visit is scored.
    pub score: Vec<Row>,
    /// Lower bound of the clock per (state, cell).
    pub clock: Vec<f64>,
}

/// A probability in units of `2^-32`: below `low` certain, from `low` on `gap` undecided, then never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    pub low: u32,
    pub gap: u32,
}

/// A leg longer than this many domain lengths gains nothing: the walker has forgotten where it began
/// (to 3e-5); and the fixed-point positions hold displacements of up to 37 such lengths.
const LONGEST_LEG: f64 = 64.0;

/// A state that is never left gets legs of this many domain lengths.
const LEG_WITHOUT_EXIT: f64 = 0.5;

/// Rates of candidates lie above the bound by this factor, so that no acceptance probability reaches
/// one and rounding of the factors of `K` is covered.
const SLACK: f64 = 1.0 + 1.0 / 65536.0;

impl CandidateRates {
    /// Finds candidate rates for `model` from bounds on the cells of `grid`.
    ///
    /// # Errors
    /// [`KernelError::Unbounded`] if a rate has no finite bound.
    pub fn new(model: &Model, grid: &Grid) -> Result<Self, KernelError> {
        Self::with_clocks(model, grid, &Clocks::new(model)?)
    }

    pub(super) fn with_clocks(model: &Model, grid: &Grid, clocks: &Clocks) -> Result<Self, KernelError> {
        Self::enclosing(model, grid, &clocked_rates(model, grid, clocks)?)
    }

    /// Of rates with these bounds, channel by channel and cell by cell.
    pub(super) fn enclosing(model: &Model, grid: &Grid, bounds: &[Interval]) -> Result<Self, KernelError> {
        let network = &model.network;
        let states = network.states().len();
        let channels: Vec<Channel> = network.channels().collect();
        let highest =
            bounds.chunks(grid.cells()).map(|cells| cells.iter().fold(0.0f64, |most, b| most.max(b.hi)));
        let highest: Vec<f64> = highest.collect();
        let mut rates = CandidateRates {
            state: Vec::with_capacity(states),
            channel: vec![0.0; channels.len()],
            slots: vec![[channels.len() as u16; SLOTS]; states],
        };
        for (state, slots) in rates.slots.iter_mut().enumerate() {
            let exits: Vec<Channel> =
                channels.iter().copied().filter(|c| c.from == state && highest[c.index] > 0.0).collect();
            if exits.len() > SLOTS {
                let what = "transitions out of one state";
                return Err(KernelError::TooMany { what, limit: SLOTS, found: exits.len() });
            }
            let bounds: Vec<f64> = exits.iter().map(|c| highest[c.index] * SLACK).collect();
            let slowest = (LONGEST_LEG * grid.length).powi(-2);
            let without_exit = (LEG_WITHOUT_EXIT * grid.length).powi(-2);
            let (rate, shares) =
                if exits.is_empty() { (without_exit, Vec::new()) } else { deal(&bounds, slowest) };
            let mut next = 0;
            for (channel, share) in exits.iter().zip(shares) {
                rates.channel[channel.index] = rate * share as f64 / SLOTS as f64;
                slots[next..next + share].fill(channel.index as u16);
                next += share;
            }
            rates.state.push(rate);
        }
        Ok(rates)
    }

    /// Gives the candidates of a state another rate, and those of its channels their shares of it.
    pub(super) fn raise(&mut self, model: &Model, state: usize, to: f64) {
        let factor = to / self.state[state];
        self.state[state] = to;
        for channel in model.network.channels().filter(|c| c.from == state) {
            self.channel[channel.index] *= factor;
        }
    }
}

/// The smallest `K >= floor` (to 1e-6) for which every bound `b` gets a whole number of shares
/// `m >= 64 b/K` and the shares fit into 64; and the shares.
fn deal(bounds: &[f64], floor: f64) -> (f64, Vec<usize>) {
    let shares = |rate: f64| -> Vec<usize> {
        bounds.iter().map(|b| ((b * SLOTS as f64 / rate).ceil() as usize).max(1)).collect()
    };
    let fits = |rate: f64| shares(rate).iter().sum::<usize>() <= SLOTS;
    let total: f64 = bounds.iter().sum();
    let mut low = total.max(floor);
    if !fits(low) {
        // 64 times the largest bound is enough for 64 channels of one share each.
        let mut high = total * SLOTS as f64;
        while high / low > 1.0 + 1e-6 {
            let middle = libm::sqrt(low * high);
            if fits(middle) { high = middle } else { low = middle }
        }
        low = high;
    }
    // `ceil(64 b/K)` may come out one too small when `64 b/K` rounds down to a whole number.
    let rate = low * (1.0 + 4.0 * f64::EPSILON);
    let shares = shares(low);
    (rate, shares)
}

/// A cell, widened by a little more than the rounding of positions to the fixed-point lattice and to a
/// double.
pub(super) fn widened(grid: &Grid, cell: usize) -> Interval {
    let margin = grid.length * 1e-15;
    let lo = (grid.cell_face(cell) - margin).max(0.0);
    Interval::new(lo, (grid.cell_face(cell + 1) + margin).min(grid.length))
}

/// Bounds on `k/c`, channel by channel and cell by cell.
///
/// # Errors
/// [`KernelError::Unbounded`] if there is no bound, [`KernelError::TooMany`] for more states or channels than tables can name.
pub(super) fn clocked_rates(
    model: &Model,
    grid: &Grid,
    clocks: &Clocks,
) -> Result<Vec<Interval>, KernelError> {
    let limit = usize::from(u16::MAX) - 1;
    let (states, channels) = (model.network.states().len(), 2 * model.network.edges().len());
    for (what, found) in [("states", states), ("channels", channels)] {
        if found > limit {
            return Err(KernelError::TooMany { what, limit, found });
        }
    }
    let places =
        model.network.channels().flat_map(|channel| (0..grid.cells()).map(move |cell| (channel, cell)));
    places.map(|(channel, cell)| clocked_rate(model, grid, clocks, channel, cell)).collect()
}

/// Bounds on `k/c` of a channel over a cell.
fn clocked_rate(
    model: &Model,
    grid: &Grid,
    clocks: &Clocks,
    channel: Channel,
    cell: usize,
) -> Result<Interval, KernelError> {
    let x = widened(grid, cell);
    let clock = clock(model, grid, clocks, channel.from, cell)?;
    let rate = model.rate_bounds(channel, x);
    let bounds = rate / clock;
    if rate.lo >= 0.0 && bounds.hi.is_finite() {
        return Ok(Interval::new(bounds.lo.max(0.0), bounds.hi));
    }
    let what = format!("the rate of {}", channel_name(model, channel));
    Err(KernelError::Unbounded { what, x: grid.cell_middle(cell), low: rate.lo, high: rate.hi })
}

/// Bounds on the clock of a state over a cell.
fn clock(
    model: &Model,
    grid: &Grid,
    clocks: &Clocks,
    state: usize,
    cell: usize,
) -> Result<Interval, KernelError> {
    let bounds = match clocks.constant(state) {
        Some(constant) => Interval::point(constant),
        None => clocks.bounds(state, widened(grid, cell)),
    };
    if bounds.lo > 0.0 && bounds.hi.is_finite() {
        return Ok(bounds);
    }
    let what = format!("the diffusivity of {}", model.network.states()[state].name);
    Err(KernelError::Unbounded { what, x: grid.cell_middle(cell), low: bounds.lo, high: bounds.hi })
}

pub(super) fn channel_name(model: &Model, channel: Channel) -> String {
    let states = model.network.states();
    format!("{} -> {}", states[channel.from].name, states[channel.to].name)
}

impl Tables {
    /// Tabulates the enclosures.
    ///
    /// # Errors
    /// [`KernelError::BoundViolated`] if a rate or a clock evaluated at one of a few points of a cell lies
    /// outside the bounds that its field claims; [`KernelError::TooFewCandidates`] and
    /// [`KernelError::UnevenCandidates`] if `rates` do not suit the model; [`KernelError::Unbounded`] if
    /// there is no bound.
    pub fn new(
        model: &Model,
        grid: &Grid,
        clocks: &Clocks,
        rates: &CandidateRates,
    ) -> Result<Self, KernelError> {
        let bounds = clocked_rates(model, grid, clocks)?;
        for (channel, bounds) in model.network.channels().zip(bounds.chunks(grid.cells())) {
            let what = || format!("the rate of {}", channel_name(model, channel));
            let rate = |x| model.rate(channel, x) / clocks.rate(channel.from, x);
            for (cell, &bounds) in bounds.iter().enumerate() {
                check(grid, cell, bounds, &what, &rate)?;
            }
        }
        Self::of_clocks(model, grid, clocks)?.accepting(model, grid, rates, &bounds)
    }

    /// What does not depend on rates; no candidate is accepted.
    ///
    /// # Errors
    /// As [`Tables::new`].
    pub fn of_clocks(model: &Model, grid: &Grid, clocks: &Clocks) -> Result<Self, KernelError> {
        let cells = grid.cells();
        let states = model.network.states();
        let mut lowest = Vec::with_capacity(states.len() * cells);
        let mut score = Vec::new();
        let always = (0..states.len()).all(|s| clocks.constant(s).is_some());
        for (state, name) in states.iter().map(|s| &s.name).enumerate() {
            for cell in 0..cells {
                let bounds = clock(model, grid, clocks, state, cell)?;
                let what = || format!("the diffusivity of {name}");
                check(grid, cell, bounds, &what, &|x| clocks.rate(state, x))?;
                lowest.push(bounds.lo);
                if !always {
                    score.push(row(Interval::new(bounds.lo / bounds.hi, 1.0)));
                }
            }
        }
        Ok(Tables { accept: Vec::new(), score, clock: lowest })
    }

    /// The same with candidates at these rates, for rates of transitions with these bounds, channel by channel and cell
    /// by cell.
    ///
    /// # Errors
    /// [`KernelError::TooFewCandidates`] and [`KernelError::UnevenCandidates`].
    pub fn accepting(
        self,
        model: &Model,
        grid: &Grid,
        rates: &CandidateRates,
        bounds: &[Interval],
    ) -> Result<Self, KernelError> {
        let cells = grid.cells();
        let mut accept = Vec::with_capacity((rates.channel.len() + 1) * cells);
        for (channel, bounds) in model.network.channels().zip(bounds.chunks(cells)) {
            let candidates = rates.channel[channel.index];
            let slots = rates.slots[channel.from].iter().filter(|s| usize::from(**s) == channel.index);
            let share = rates.state[channel.from] * slots.count() as f64 / SLOTS as f64;
            let off = (candidates - share).abs();
            if off.is_nan() || off > 1e-12 * share {
                let channel = channel_name(model, channel);
                return Err(KernelError::UnevenCandidates { channel, given: candidates, share });
            }
            for (cell, &bounds) in bounds.iter().enumerate() {
                // An acceptance probability above one cannot be had; to cut it off would be a bias.
                if bounds.hi > candidates {
                    return Err(KernelError::TooFewCandidates {
                        channel: channel_name(model, channel),
                        x: grid.cell_middle(cell),
                        candidates,
                        high: bounds.hi,
                    });
                }
                accept.push(if candidates > 0.0 {
                    row(Interval::new(bounds.lo / candidates, bounds.hi / candidates))
                } else {
                    Row::default()
                });
            }
        }
        accept.extend(std::iter::repeat_n(Row::default(), cells));
        Ok(Tables { accept, ..self })
    }
}

/// Does a function keep to its bounds at both ends of a cell and at three points between?
///
/// A field that claims bounds too narrow anywhere in the cell would go unnoticed later: a narrow
/// enclosure leaves hardly any word undecided, and only those ask for the value. Nothing finite can find
/// every lie; this one finds bounds taken from a single point.
pub(super) fn check(
    grid: &Grid,
    cell: usize,
    bounds: Interval,
    what: &dyn Fn() -> String,
    value: &dyn Fn(f64) -> f64,
) -> Result<(), KernelError> {
    let (lo, hi) = (grid.cell_face(cell), grid.cell_face(cell + 1).min(grid.length));
    for x in [lo, 0.75 * lo + 0.25 * hi, 0.5 * (lo + hi), 0.25 * lo + 0.75 * hi, hi] {
        let value = value(x);
        if !bounds.contains(value) {
            let (low, high) = (bounds.lo, bounds.hi);
            return Err(KernelError::BoundViolated { what: what(), x, value, low, high });
        }
    }
    Ok(())
}

/// Bounds on a probability in units of `2^-32`, rounded outwards by one unit more than a division needs.
fn row(probability: Interval) -> Row {
    let low = ((probability.lo * ONE).floor() - 1.0).max(0.0);
    let high = ((probability.hi * ONE).ceil() + 1.0).min(ONE);
    // A gap of 2^32 saturates: one word in 2^32 is then taken as rejected.
    Row { low: low as u32, gap: (high - low) as u32 }
}
