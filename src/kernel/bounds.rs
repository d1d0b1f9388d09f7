//! Bounds on rates: what makes legs exact and fast at once.
//!
//! State `i` gets a rate of candidates `K_i` that is nowhere below its exit rate. A candidate picks a
//! channel `c` with probability `m_c/64`, `m_c` whole, chosen so that `K_c = K_i m_c/64` is nowhere below
//! the channel's rate, and becomes a transition with probability `k_c(x)/K_c`. That probability is
//! enclosed between a lower and an upper bound on every cell, by interval arithmetic; a uniform word
//! outside the enclosure is decided by an integer comparison, and only a word inside it (a fraction of
//! about the relative change of the rate over a cell, 1e-3) asks for the rate itself. The decision is
//! therefore exact everywhere, and costs a table look-up.

use super::KernelError;
use crate::expression::Interval;
use crate::grid::Grid;
use crate::model::{Channel, Model};

/// How many parts the candidates of a state are dealt into.
pub(super) const SLOTS: usize = 64;

/// Candidate rates of every state and channel, proven against the model.
#[derive(Clone, Debug, PartialEq)]
pub struct CandidateRates {
    /// `K_i` per state.
    pub state: Vec<f64>,
    /// `K_c` per channel, by channel index.
    pub channel: Vec<f64>,
    /// Channel of each of the 64 slots of each state; `channels` where a slot has none.
    pub(super) slots: Vec<[u16; SLOTS]>,
}

/// Enclosure of the acceptance probability of every channel on every cell, in units of `2^-32`.
#[derive(Clone, Debug, PartialEq)]
pub struct RateTable {
    /// `low` accepts below; from `low` on, `gap` words are undecided; the rest rejects.
    pub(super) rows: Vec<Row>,
}

/// One entry of a [`RateTable`].
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
        let network = &model.network;
        let states = network.states().len();
        let channels: Vec<Channel> = network.channels().collect();
        let limit = usize::from(u16::MAX) - 1;
        for (what, found) in [("states", states), ("channels", channels.len())] {
            if found > limit {
                return Err(KernelError::TooMany { what, limit, found });
            }
        }
        let mut highest = vec![0.0f64; channels.len()];
        for &channel in &channels {
            for cell in 0..grid.cells() {
                let bounds = cell_bounds(model, grid, channel, cell)?;
                highest[channel.index] = highest[channel.index].max(bounds.hi);
            }
        }
        let mut rates = CandidateRates {
            state: Vec::with_capacity(states),
            channel: vec![0.0; channels.len()],
            slots: vec![[channels.len() as u16; SLOTS]; states],
        };
        for (state, slots) in rates.slots.iter_mut().enumerate() {
            let exits: Vec<Channel> =
                channels.iter().copied().filter(|c| c.from == state && highest[c.index] > 0.0).collect();
            if exits.len() > SLOTS {
                return Err(KernelError::TooMany {
                    what: "transitions out of one state",
                    limit: SLOTS,
                    found: exits.len(),
                });
            }
            let bounds: Vec<f64> = exits.iter().map(|c| highest[c.index] * SLACK).collect();
            let diffusivity = network.states()[state].diffusivity;
            let slowest = diffusivity / (LONGEST_LEG * grid.length).powi(2);
            let without_exit = diffusivity / (LEG_WITHOUT_EXIT * grid.length).powi(2);
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

fn cell_bounds(model: &Model, grid: &Grid, channel: Channel, cell: usize) -> Result<Interval, KernelError> {
    // Positions are rounded to the lattice of the fixed-point circle and to a double on evaluation:
    // the cell is widened by a little more than both.
    let margin = grid.length * 1e-15;
    let lo = (grid.cell_face(cell) - margin).max(0.0);
    let hi = (grid.cell_face(cell + 1) + margin).min(grid.length);
    let bounds = model.rate_bounds(channel, Interval::new(lo, hi));
    if bounds.lo >= 0.0 && bounds.hi.is_finite() {
        return Ok(bounds);
    }
    Err(KernelError::Unbounded {
        channel: channel_name(model, channel),
        x: grid.cell_middle(cell),
        low: bounds.lo,
        high: bounds.hi,
    })
}

pub(super) fn channel_name(model: &Model, channel: Channel) -> String {
    let states = model.network.states();
    format!("{} -> {}", states[channel.from].name, states[channel.to].name)
}

impl RateTable {
    /// Tabulates the enclosures; the row after the last channel is that of "no channel".
    ///
    /// # Errors
    /// [`KernelError::BoundViolated`] if a rate evaluated at one of a few points of a cell lies outside
    /// the bounds that its field claims; [`KernelError::TooFewCandidates`] and
    /// [`KernelError::UnevenCandidates`] if `rates` do not suit the model; [`KernelError::Unbounded`] as
    /// above.
    pub fn new(model: &Model, grid: &Grid, rates: &CandidateRates) -> Result<Self, KernelError> {
        let cells = grid.cells();
        let mut rows = Vec::with_capacity((rates.channel.len() + 1) * cells);
        for channel in model.network.channels() {
            let candidates = rates.channel[channel.index];
            let slots = rates.slots[channel.from].iter().filter(|s| usize::from(**s) == channel.index);
            let share = rates.state[channel.from] * slots.count() as f64 / SLOTS as f64;
            let off = (candidates - share).abs();
            if off.is_nan() || off > 1e-12 * share {
                let channel = channel_name(model, channel);
                return Err(KernelError::UnevenCandidates { channel, given: candidates, share });
            }
            for cell in 0..cells {
                let bounds = cell_bounds(model, grid, channel, cell)?;
                check(model, grid, channel, cell, bounds)?;
                // An acceptance probability above one cannot be had; to cut it off would be a bias.
                if bounds.hi > candidates {
                    return Err(KernelError::TooFewCandidates {
                        channel: channel_name(model, channel),
                        x: grid.cell_middle(cell),
                        candidates,
                        high: bounds.hi,
                    });
                }
                rows.push(if candidates > 0.0 { row(bounds, candidates) } else { Row::default() });
            }
        }
        rows.extend(std::iter::repeat_n(Row::default(), cells));
        Ok(RateTable { rows })
    }
}

/// Does the rate keep to its bounds at both ends of a cell and at three points between?
///
/// A field that claims bounds too narrow anywhere in the cell would go unnoticed later: a narrow
/// enclosure leaves hardly any word undecided, and only those ask for the rate. Nothing finite can find
/// every lie; this one finds bounds taken from a single point.
fn check(
    model: &Model,
    grid: &Grid,
    channel: Channel,
    cell: usize,
    bounds: Interval,
) -> Result<(), KernelError> {
    let (lo, hi) = (grid.cell_face(cell), grid.cell_face(cell + 1).min(grid.length));
    for x in [lo, 0.75 * lo + 0.25 * hi, 0.5 * (lo + hi), 0.25 * lo + 0.75 * hi, hi] {
        let rate = model.rate(channel, x);
        if !bounds.contains(rate) {
            return Err(KernelError::BoundViolated {
                channel: channel_name(model, channel),
                x,
                rate,
                low: bounds.lo,
                high: bounds.hi,
            });
        }
    }
    Ok(())
}

/// Bounds on `k/K` in units of `2^-32`, rounded outwards by one unit more than the division needs.
fn row(bounds: Interval, candidates: f64) -> Row {
    const ONE: f64 = 4_294_967_296.0;
    let low = ((bounds.lo / candidates * ONE).floor() - 1.0).max(0.0);
    let high = ((bounds.hi / candidates * ONE).ceil() + 1.0).min(ONE - 1.0);
    Row { low: low as u32, gap: (high - low) as u32 }
}
