//! What is scored where continuous internal coordinates matter: the plane of x and one coordinate, heat, stored energy.

use crate::event::{
    CoordinateCells, Counts, DEGREE, Moves, SUMS, Shifts, Sightings, Surveyed, Tally, Transitions, Walkers,
};
use crate::grid::Grid;
use crate::model::{Boundary, Model, Range};
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// Cells of the coordinate, unless the grid says otherwise.
pub const CELLS: usize = 64;

/// A group of walkers with internal coordinates.
///
/// On the plane of bins of x and cells of one coordinate, summed over states and over the other coordinates: how
/// often walkers were seen, how the occupancy changed by shifts, and how it changed in all between
/// [`InternalSpace::open`] and [`InternalSpace::close`]. As walkers are not lost, the rest of the change is the work of moves, and
/// both currents follow as integers: [`InternalSpace::shift_passages`], [`InternalSpace::move_passages`]. States change
/// neither x nor the coordinate, so that their sum closes.
///
/// Per bin: sums of the energy and its square, of the diffusivity and of its product with the energy. Per fine cell: heat and work of all events,
/// the gain of stored energy, and what the generator makes of shapes of the coordinate ([`InternalSpace::generated`]).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InternalSpace {
    grid: Grid,
    axes: usize,
    axis: usize,
    cells: usize,
    ends: [f64; 2],
    /// Cells per length of the coordinate.
    density: f64,
    circle: bool,
    ring: bool,
    seen: Vec<u64>,
    /// Walkers that shifts have brought to a cell of the plane less those they took away.
    shifted: Vec<i64>,
    /// The same of all events, between the opening and the closing.
    changed: Vec<i64>,
    /// On a circle, net passages of shifts upwards through its seam, per bin.
    seam: Vec<i64>,
    /// On a ring, net passages of moves upwards through `x = 0`, per cell of the coordinate.
    laps: Vec<i64>,
    /// Sums of the energy and of its square over walkers seen, per bin.
    energies: Vec<[f64; 2]>,
    /// Sums of the diffusivity along x, alone and times the energy, over walkers seen, per bin.
    mobile: Vec<[f64; 2]>,
    /// Heat and work per fine cell.
    exchanged: Vec<[f64; 2]>,
    gain: Vec<f64>,
    basis: Basis,
    generated: Vec<Generated>,
}

/// Functions of the coordinate whose images under the generator are summed, the constant apart.
pub const SHAPES: usize = 4;

/// Sums over the walkers seen in a fine cell, summed over states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Generated {
    /// `D(x, q)`.
    pub mobile: f64,
    /// Per shape `h(q)`: `D h`, `h' d_q E`, `h''`.
    pub shapes: [[f64; 3]; SHAPES],
}

/// Shapes `h_k(q)`, `k = 1 .. 4`, with `u = (q - middle)/half` of the box.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Basis {
    /// `u^k`, on the whole line.
    Powers,
    /// `u^k/k - u^(k+2)/(k+2)`, without a slope at walls.
    Walled,
    /// `cos(pi u)`, `sin(pi u)`, `cos(2 pi u)`, `sin(2 pi u)`, on a circle.
    Waves,
}

impl Basis {
    fn of(range: Range) -> Self {
        match range {
            Range::Unbounded => Basis::Powers,
            Range::Walls(_) => Basis::Walled,
            Range::Periodic(_) => Basis::Waves,
        }
    }

    /// Values and derivatives along `u` at a place.
    #[inline]
    fn shapes(self, u: f64) -> [[f64; 3]; SHAPES] {
        let square = u * u;
        match self {
            Basis::Powers => [
                [u, 1.0, 0.0],
                [square, 2.0 * u, 2.0],
                [square * u, 3.0 * square, 6.0 * u],
                [square * square, 4.0 * square * u, 12.0 * square],
            ],
            Basis::Walled => {
                let still = 1.0 - square;
                [
                    [u * (1.0 - square / 3.0), still, -2.0 * u],
                    [square * (0.5 - square / 4.0), still * u, 1.0 - 3.0 * square],
                    [square * u * (1.0 / 3.0 - square / 5.0), still * square, u * (2.0 - 4.0 * square)],
                    [
                        square * square * (0.25 - square / 6.0),
                        still * square * u,
                        square * (3.0 - 5.0 * square),
                    ],
                ]
            }
            Basis::Waves => {
                let (sine, cosine) = libm::sincos(PI * u);
                let (twice, double) = (2.0 * sine * cosine, cosine * cosine - sine * sine);
                let wave = |even: f64, odd: f64, k: f64| [even, -k * odd, -k * k * even];
                let turned = |even: f64, odd: f64, k: f64| [odd, k * even, -k * k * odd];
                [
                    wave(cosine, sine, PI),
                    turned(cosine, sine, PI),
                    wave(double, twice, 2.0 * PI),
                    turned(double, twice, 2.0 * PI),
                ]
            }
        }
    }
}

impl InternalSpace {
    /// Empty tallies for one coordinate, whose box is given ([`crate::kernel::Kernel::coordinate_ends`]): as many cells as the
    /// grid has across, or [`CELLS`]. The outer ones hold what is beyond.
    pub fn new(model: &Model, grid: &Grid, axis: usize, ends: [f64; 2]) -> Self {
        let cells = if grid.across > 0 { grid.across } else { CELLS };
        let axes = model.coordinates.as_ref().map_or(&[][..], |c| &c.axes);
        let plane = grid.bins * cells;
        InternalSpace {
            grid: *grid,
            axes: axes.len(),
            axis,
            cells,
            ends,
            density: cells as f64 / (ends[1] - ends[0]),
            circle: axes.get(axis).is_some_and(|a| matches!(a.range, Range::Periodic(_))),
            ring: model.domain.walls == Boundary::Periodic,
            seen: vec![0; plane],
            shifted: vec![0; plane],
            changed: vec![0; plane],
            seam: vec![0; grid.bins],
            laps: vec![0; cells],
            energies: vec![[0.0; 2]; grid.bins],
            mobile: vec![[0.0; 2]; grid.bins],
            exchanged: vec![[0.0; 2]; grid.cells()],
            gain: vec![0.0; grid.cells()],
            basis: axes.get(axis).map_or(Basis::Powers, |a| Basis::of(a.range)),
            generated: vec![Generated::default(); grid.cells()],
        }
    }

    /// Bytes of the tallies.
    pub fn bytes(&self) -> u64 {
        let plane =
            size_of_val(&self.seen[..]) + size_of_val(&self.shifted[..]) + size_of_val(&self.changed[..]);
        let edges = size_of_val(&self.seam[..]) + size_of_val(&self.laps[..]);
        let bins = size_of_val(&self.energies[..]) + size_of_val(&self.mobile[..]);
        let cells =
            size_of_val(&self.exchanged[..]) + size_of_val(&self.gain[..]) + size_of_val(&self.generated[..]);
        (plane + edges + bins + cells) as u64
    }

    /// Begins with these walkers: they and their energy were there before.
    pub fn open(&mut self, model: &Model, walkers: &Walkers) {
        self.store(model, walkers, -1);
    }

    /// Ends with these walkers. Scoring may go on after they have been opened again.
    pub fn close(&mut self, model: &Model, walkers: &Walkers) {
        self.store(model, walkers, 1);
    }

    fn store(&mut self, model: &Model, walkers: &Walkers, sign: i64) {
        let entries =
            walkers.position.iter().zip(&walkers.state).zip(walkers.coordinate.chunks(self.axes.max(1)));
        for ((position, state), q) in entries {
            let x = position.fraction() * self.grid.length;
            let entry = position.cell(self.grid.bins) * self.cells + self.cell(q[self.axis]);
            self.changed[entry] += sign;
            self.gain[position.cell(self.grid.cells())] +=
                sign as f64 * model.energy_within(usize::from(*state), x, q);
        }
    }

    /// The cell of a value of the coordinate.
    #[inline]
    fn cell(&self, q: f64) -> usize {
        self.across().cell(q)
    }

    #[inline]
    fn across(&self) -> CoordinateCells {
        CoordinateCells { bins: self.grid.bins, cells: self.cells, low: self.ends[0], density: self.density }
    }

    /// The grid.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// Number of cells of the coordinate.
    pub fn cells(&self) -> usize {
        self.cells
    }

    /// Edge number `k` of the cells of the coordinate, from 0 to [`InternalSpace::cells`].
    pub fn edge(&self, k: usize) -> f64 {
        self.ends[0] + (self.ends[1] - self.ends[0]) * k as f64 / self.cells as f64
    }

    /// Width of a cell of the coordinate.
    pub fn cell_width(&self) -> f64 {
        1.0 / self.density
    }

    /// Per fine cell what the generator makes of `h(q)`, a shape of the coordinate of the plane: with `c(x)` a function of the place,
    ///
    /// `L(c h) = c'' D h + c mu (kT h'' - h' d_q E)`,
    ///
    /// where no force acts along x; the drift in q is that of each walker. Derivatives are along q. Powers of q on the whole line,
    /// polynomials without a slope at walls, waves on a circle.
    pub fn generated(&self) -> &[Generated] {
        &self.generated
    }

    /// How often walkers were seen, per cell of the coordinate in each bin, bin by bin.
    pub fn seen(&self) -> &[u64] {
        &self.seen
    }

    /// Net passages of shifts towards larger values through the edges of the cells of the coordinate in each bin, bin by bin,
    /// `cells + 1` each. On a circle first and last are the seam.
    pub fn shift_passages(&self) -> Vec<i64> {
        let mut passages = Vec::with_capacity(self.grid.bins * (self.cells + 1));
        for (bin, row) in self.shifted.chunks(self.cells).enumerate() {
            let mut through = self.seam[bin];
            passages.push(through);
            for brought in row {
                through -= brought;
                passages.push(through);
            }
        }
        passages
    }

    /// Net passages of moves towards larger x through the faces between bins in each cell of the coordinate, face by face
    /// from 0 to the number of bins, `cells` each. They are complete once the tally is closed.
    pub fn move_passages(&self) -> Vec<i64> {
        let mut through = self.laps.clone();
        let mut passages = through.clone();
        for (changed, shifted) in self.changed.chunks(self.cells).zip(self.shifted.chunks(self.cells)) {
            for ((through, changed), shifted) in through.iter_mut().zip(changed).zip(shifted) {
                *through -= changed - shifted;
            }
            passages.extend_from_slice(&through);
        }
        passages
    }

    /// Sums of the energy and of its square over the walkers seen in each bin.
    pub fn energies(&self) -> &[[f64; 2]] {
        &self.energies
    }

    /// Sums of the diffusivity along x, alone and times the energy, over the walkers seen in each bin.
    pub fn mobile(&self) -> &[[f64; 2]] {
        &self.mobile
    }

    /// Heat absorbed from the bath (in shifts, transitions and moves) and work done (in transitions) in each fine cell. The
    /// heat of a move is booked half where it began and half where it ended.
    pub fn exchanged(&self) -> &[[f64; 2]] {
        &self.exchanged
    }

    /// Energy that walkers closed in each fine cell have more than those opened there.
    pub fn gain(&self) -> &[f64] {
        &self.gain
    }
}

impl InternalSpace {
    /// What sightings and shifts would have added. As shapes of the whole line are powers of u, with
    /// the sum of `u^k` over a cell all of it is a sum of coefficients.
    fn survey(&mut self, visits: &[u64], surveyed: &Surveyed<'_>) {
        let Surveyed { powers, energy, diffusivity, seen, shifted, heat } = *surveyed;
        self.seen.iter_mut().zip(seen).for_each(|(sum, count)| *sum += count);
        self.shifted.iter_mut().zip(shifted).for_each(|(sum, count)| *sum += count);
        self.exchanged.iter_mut().zip(heat).for_each(|([sum, _], heat)| *sum += heat);
        let per_half = 2.0 / (self.ends[1] - self.ends[0]);
        let (square, carrying) = (product(&energy, &energy), product(&energy, &diffusivity));
        let slope: [f64; DEGREE] = std::array::from_fn(|k| (k + 1) as f64 * energy[k + 1] * per_half);
        for (cell, (visits, powers)) in visits.iter().zip(powers).enumerate() {
            if *visits == 0 {
                continue;
            }
            let power = |k: usize| if k == 0 { *visits as f64 } else { powers[k - 1] };
            // The sum of a polynomial times `u^k`.
            let sum = |c: &[f64], k: usize| -> f64 { (k..).zip(c).map(|(k, c)| c * power(k)).sum() };
            let bin = cell / self.grid.cells_per_bin;
            let alone = sum(&diffusivity, 0);
            let [first, second] = &mut self.energies[bin];
            *first += sum(&energy, 0);
            *second += sum(&square, 0);
            let [mobile, carried] = &mut self.mobile[bin];
            *mobile += alone;
            *carried += sum(&carrying, 0);
            let sums = &mut self.generated[cell];
            sums.mobile += alone;
            for (k, [plain, pushed, bent]) in (1..).zip(&mut sums.shapes) {
                *plain += sum(&diffusivity, k);
                *pushed += per_half * k as f64 * sum(&slope, k - 1);
                *bent += per_half * per_half * if k > 1 { (k * (k - 1)) as f64 * power(k - 2) } else { 0.0 };
            }
        }
    }
}

/// Coefficients of a product.
fn product(a: &[f64; DEGREE + 1], b: &[f64; DEGREE + 1]) -> [f64; SUMS + 1] {
    let mut product = [0.0; SUMS + 1];
    for (j, a) in a.iter().enumerate() {
        product[j..].iter_mut().zip(b).for_each(|(sum, b)| *sum += a * b);
    }
    product
}

impl Tally for InternalSpace {
    const EVENTS: bool = false;

    fn coordinate_cells(&self) -> Option<CoordinateCells> {
        Some(self.across())
    }

    fn counted(&mut self, counts: &Counts<'_>) {
        let exchanged = counts.heat.iter().zip(counts.work);
        for ([heat, work], (q, w)) in self.exchanged.iter_mut().zip(exchanged) {
            *heat += q;
            *work += w;
        }
        if let Some(surveyed) = &counts.surveyed {
            self.survey(counts.visits, surveyed);
        }
    }

    #[inline]
    fn moves(&mut self, moves: &Moves<'_>) {
        if self.ring {
            for (q, laps) in moves.coordinate.chunks(self.axes).zip(moves.laps) {
                let cell = self.cell(q[self.axis]);
                self.laps[cell] += i64::from(*laps);
            }
        }
        let ends = moves.from.iter().zip(moves.cell);
        for (heat, (from, to)) in moves.heat.iter().zip(ends) {
            self.exchanged[from.cell(self.grid.cells())][0] += 0.5 * heat;
            self.exchanged[*to as usize][0] += 0.5 * heat;
        }
    }

    #[inline]
    fn transitions(&mut self, t: &Transitions<'_>) {
        for (&cell, (&heat, &work)) in t.cell.iter().zip(t.heat.iter().zip(t.work)) {
            let [q, w] = &mut self.exchanged[cell as usize];
            *q += heat;
            *w += work;
        }
    }

    #[inline]
    fn shifts(&mut self, shifts: &Shifts<'_>) {
        for (&cell, heat) in shifts.cell.iter().zip(shifts.heat) {
            self.exchanged[cell as usize][0] += heat;
        }
        let ends = shifts.before.chunks_exact(self.axes).zip(shifts.after.chunks_exact(self.axes));
        for (position, (before, after)) in shifts.position.iter().zip(ends) {
            let (before, after) = (before[self.axis], after[self.axis]);
            let (from, to) = (self.cell(before), self.cell(after));
            if from != to {
                let bin = position.cell(self.grid.bins);
                self.shifted[bin * self.cells + from] -= 1;
                self.shifted[bin * self.cells + to] += 1;
                if self.circle && 2.0 * (after - before).abs() > self.ends[1] - self.ends[0] {
                    self.seam[bin] += if after < before { 1 } else { -1 };
                }
            }
        }
    }

    #[inline]
    fn sightings(&mut self, seen: &Sightings<'_>) {
        let (middle, per_half) = (0.5 * (self.ends[0] + self.ends[1]), 2.0 / (self.ends[1] - self.ends[0]));
        let places = seen.position.iter().zip(seen.coordinate.chunks_exact(self.axes));
        let places = places.zip(seen.slope.chunks_exact(self.axes));
        let surfaces = seen.energy.iter().zip(seen.diffusivity);
        for (((position, q), slope), (&energy, &diffusivity)) in places.zip(surfaces) {
            let (bin, cell) = (position.cell(self.grid.bins), self.cell(q[self.axis]));
            self.seen[bin * self.cells + cell] += 1;
            let [first, second] = &mut self.energies[bin];
            *first += energy;
            *second += energy * energy;
            let [alone, carrying] = &mut self.mobile[bin];
            *alone += diffusivity;
            *carrying += diffusivity * energy;
            let sums = &mut self.generated[position.cell(self.grid.cells())];
            let first = slope[self.axis] * per_half;
            sums.mobile += diffusivity;
            let shapes = self.basis.shapes((q[self.axis] - middle) * per_half);
            for ([plain, pushed, bent], [h, dh, ddh]) in sums.shapes.iter_mut().zip(shapes) {
                *plain += diffusivity * h;
                *pushed += first * dh;
                *bent += per_half * per_half * ddh;
            }
        }
    }
}
