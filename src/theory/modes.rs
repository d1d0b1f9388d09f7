//! The Kramers equation on a mesh, in modes of the velocity: assembly, elimination, solution.
//!
//! # Equation
//! With a fixed temperature `theta`, `c_i = sqrt(theta/m_i)` and `v = c_i u`, the modes of `P_i(x, v) = sum_n
//! a_n^i(x) psi_n(u) phi(u)/c_i` obey (see [`hermite`](super::hermite); stationary, `nu_i = gamma_i/m_i`)
//! ```text
//! c_i [ sqrt(n+1) a_{n+1}' + sqrt(n) a_{n-1}' ] - (F_i c_i/theta) sqrt(n) a_{n-1}
//!     = -nu_i n a_n + nu_i (kT/theta - 1) sqrt(n(n-1)) a_{n-2} + sum_j (k_ij a_n^j - k_ji a_n^i) .     (1)
//! ```
//! A transition at constant kinetic energy keeps `u`, so that it joins modes of the same order. Modes
//! `n >= N` are left out, with N even: as many odd modes as even ones.
//!
//! # Weak form
//! Even modes are continuous polynomials of degree p on every element, odd ones polynomials of degree p-1
//! that may jump between elements. Equations of even n are multiplied by the functions of the even modes and
//! integrated by parts; the boundary terms are the odd modes at the walls, which vanish there by reflection
//! `P(0, v) = P(0, -v)`. The test function 1 gives the balance of (1) from wall to wall without any error.
//!
//! The interior unknowns of an element, mode by mode, form a banded matrix. What is left joins the even
//! modes of neighbouring vertices in a cycle; between walls one link of the cycle is empty.

use super::TheoryError;
use super::band::{Band, FactoredBand};
use super::element::{Reference, legendre};
use super::linear::{Factored, Matrix};
use super::{motilities, rates, temperature};
use crate::model::{Boundary, Model};

/// What the equations are made of beside the mesh.
#[derive(Clone, Copy, Debug)]
pub(super) struct Particle<'a> {
    pub(super) model: &'a Model,
    pub(super) masses: &'a [f64],
    /// The temperature of the basis, an energy.
    pub(super) theta: f64,
}

impl Particle<'_> {
    fn states(&self) -> usize {
        self.masses.len()
    }

    /// `c_i`, the speed that `u = 1` stands for.
    pub(super) fn speed(&self, state: usize) -> f64 {
        libm::sqrt(self.theta / self.masses[state])
    }

    /// The force along x on a state: `-(U + U_i)' + gamma_i v_i`, with the drift velocity `v_i`.
    pub(super) fn force(&self, state: usize, x: f64) -> Result<f64, TheoryError> {
        let model = self.model;
        let gradient: f64 = model.potentials(state).map(|u| u.slope(x)).sum();
        let found = model.propulsion(state, x) - gradient;
        let over = found / model.thermal_energy(x);
        if over.abs() <= 1e100 { Ok(found) } else { Err(TheoryError::Force { state, x, found: over }) }
    }
}

/// Per element and state and mode, Legendre coefficients in x.
pub(super) type Coefficients = Vec<Vec<Vec<Vec<f64>>>>;

/// The discrete equations with `modes` modes, an even number.
pub(super) struct System<'a> {
    pub(super) particle: Particle<'a>,
    pub(super) mesh: &'a [f64],
    pub(super) reference: &'a Reference,
    pub(super) modes: usize,
}

/// Integrals over an element of products of basis functions with a coefficient, for one state.
struct Tables {
    /// Rows of even, columns of odd functions: `c phi' psi` and `(F c/theta) phi psi`.
    gradient: Vec<Vec<f64>>,
    force: Vec<Vec<f64>>,
    /// `nu phi phi` and `nu (kT/theta - 1) phi phi`, for even and for odd functions.
    friction: [Vec<Vec<f64>>; 2],
    heating: [Vec<Vec<f64>>; 2],
    /// Per state left: its rate into this one, or minus the exit rate.
    rates: [Vec<Vec<Vec<f64>>>; 2],
}

/// An element: its interior, and how vertices and interior act on each other. Vertices: first all unknowns of
/// the left, then those of the right.
struct Local {
    interior: Band,
    /// Rows of the interior, columns of the vertices.
    inward: Matrix,
    /// Rows of the vertices, columns of the interior.
    outward: Matrix,
    corners: Matrix,
}

/// Where an unknown of an element stands.
enum Place {
    Vertex(usize),
    Interior(usize),
}

impl Local {
    fn add(&mut self, row: &Place, column: &Place, value: f64) {
        match (row, column) {
            (Place::Vertex(i), Place::Vertex(j)) => self.corners.row_mut(*i)[*j] += value,
            (Place::Vertex(i), Place::Interior(j)) => self.outward.row_mut(*i)[*j] += value,
            (Place::Interior(i), Place::Vertex(j)) => self.inward.row_mut(*i)[*j] += value,
            (Place::Interior(i), Place::Interior(j)) => self.interior.add(*i, *j, value),
        }
    }
}

/// A vertex that was eliminated: its unknowns in terms of those of the pinned and of the next vertex.
struct Eliminated {
    vertex: usize,
    response: Matrix,
}

impl System<'_> {
    fn states(&self) -> usize {
        self.particle.states()
    }

    /// Unknowns at a vertex: the even modes.
    fn width(&self) -> usize {
        self.modes / 2 * self.states()
    }

    fn elements(&self) -> usize {
        self.mesh.len() - 1
    }

    fn vertices(&self) -> usize {
        match self.particle.model.domain.walls {
            Boundary::Reflecting => self.elements() + 1,
            Boundary::Periodic => self.elements(),
        }
    }

    /// Interior unknowns before those of mode n.
    fn offset(&self, n: usize) -> usize {
        let degree = self.reference.degree;
        (n.div_ceil(2) * (degree - 1) + n / 2 * degree) * self.states()
    }

    fn place(&self, n: usize, a: usize, state: usize) -> Place {
        let (states, degree) = (self.states(), self.reference.degree);
        let inside = |k: usize| Place::Interior(self.offset(n) + k * states + state);
        match (n % 2, a) {
            (1, _) => inside(a),
            (_, 0) => Place::Vertex(n / 2 * states + state),
            (_, a) if a == degree => Place::Vertex(self.width() + n / 2 * states + state),
            _ => inside(a - 1),
        }
    }

    /// Integrals over element `e`, per state.
    fn tables(&self, e: usize) -> Result<Vec<Tables>, TheoryError> {
        let (particle, model) = (&self.particle, self.particle.model);
        let (states, degree) = (self.states(), self.reference.degree);
        let square = |n: usize, m: usize| vec![vec![0.0; m]; n];
        let both = || [square(degree + 1, degree + 1), square(degree, degree)];
        let empty = |_| Tables {
            gradient: square(degree + 1, degree),
            force: square(degree + 1, degree),
            friction: both(),
            heating: both(),
            rates: [vec![square(degree + 1, degree + 1); states], vec![square(degree, degree); states]],
        };
        let mut tables: Vec<Tables> = (0..states).map(empty).collect();
        let half = 0.5 * (self.mesh[e + 1] - self.mesh[e]);
        let middle = 0.5 * (self.mesh[e + 1] + self.mesh[e]);
        let rule = &self.reference.rule;
        for (q, (s, weight)) in rule.points.iter().zip(&rule.weights).enumerate() {
            let x = middle + half * s;
            let hotter = model.boltzmann * temperature(model, x)? / particle.theta - 1.0;
            let motility = motilities(model, x)?;
            let rates = rates(model, x)?;
            let functions = [self.reference.basis[q].clone(), legendre(degree - 1, *s)];
            let slope = &self.reference.slope[q];
            let w = weight * half;
            for (i, table) in tables.iter_mut().enumerate() {
                let (nu, c) = (motility[i][1] / particle.masses[i], particle.speed(i));
                let force = particle.force(i, x)? * c / particle.theta;
                let [even, odd] = &functions;
                for (a, phi) in even.iter().enumerate() {
                    for (l, psi) in odd.iter().enumerate() {
                        table.gradient[a][l] += weight * c * slope[a] * psi;
                        table.force[a][l] += w * force * phi * psi;
                    }
                }
                for (parity, of) in functions.iter().enumerate() {
                    let mut add = |to: fn(&mut Tables, usize) -> &mut Vec<Vec<f64>>, factor: f64| {
                        for (row, f) in to(table, parity).iter_mut().zip(of) {
                            row.iter_mut().zip(of).for_each(|(entry, g)| *entry += w * factor * f * g);
                        }
                    };
                    add(|t, parity| &mut t.friction[parity], nu);
                    add(|t, parity| &mut t.heating[parity], nu * hotter);
                }
                for (edge, [forward, backward]) in model.network.edges().iter().zip(&rates) {
                    let [from, to] = edge.between;
                    for (left, entered, rate) in [(from, to, forward), (to, from, backward)] {
                        let sign = if i == entered {
                            1.0
                        } else if i == left {
                            -1.0
                        } else {
                            continue;
                        };
                        for (parity, of) in functions.iter().enumerate() {
                            for (row, f) in table.rates[parity][left].iter_mut().zip(of) {
                                row.iter_mut()
                                    .zip(of)
                                    .for_each(|(entry, g)| *entry += w * sign * rate * f * g);
                            }
                        }
                    }
                }
            }
        }
        Ok(tables)
    }

    /// The equations of element `e`.
    fn local(&self, e: usize) -> Result<Local, TheoryError> {
        let (states, degree, modes) = (self.states(), self.reference.degree, self.modes);
        let (size, outer) = (self.offset(modes), 2 * self.width());
        // A mode acts on the next one, on itself, and on the two after it.
        let (below, above) = (states * (3 * degree - 1) - 1, states * (2 * degree - 1) - 1);
        let mut local = Local {
            interior: Band::zeros(size, below.min(size - 1), above.min(size - 1)),
            inward: Matrix::zeros(size, outer),
            outward: Matrix::zeros(outer, size),
            corners: Matrix::zeros(outer, outer),
        };
        for (i, table) in self.tables(e)?.iter().enumerate() {
            for n in 0..modes {
                let (order, parity) = (n as f64, n % 2);
                let heating = libm::sqrt(order * (order - 1.0).max(0.0));
                let of_parity = |parity: usize| degree + 1 - parity;
                for a in 0..of_parity(parity) {
                    let row = self.place(n, a, i);
                    let mut add = |m: usize, b: usize, j: usize, value: f64| {
                        local.add(&row, &self.place(m, b, j), value);
                    };
                    for b in 0..of_parity(1 - parity) {
                        // Even equations are integrated by parts.
                        let (gradient, force) = match parity {
                            0 => (-table.gradient[a][b], table.force[a][b]),
                            _ => (table.gradient[b][a], table.force[b][a]),
                        };
                        if n + 1 < modes {
                            add(n + 1, b, i, libm::sqrt(order + 1.0) * gradient);
                        }
                        if n > 0 {
                            add(n - 1, b, i, libm::sqrt(order) * (gradient - force));
                        }
                    }
                    for b in 0..of_parity(parity) {
                        if n > 0 {
                            add(n, b, i, order * table.friction[parity][a][b]);
                        }
                        if n > 1 {
                            add(n - 2, b, i, -heating * table.heating[parity][a][b]);
                        }
                        if states > 1 {
                            for (j, rates) in table.rates[parity].iter().enumerate() {
                                add(n, b, j, -rates[a][b]);
                            }
                        }
                    }
                }
            }
        }
        Ok(local)
    }

    /// The solution with total density 1 at vertex `pin`.
    pub(super) fn solve(&self, pin: usize) -> Result<Coefficients, TheoryError> {
        let singular = || TheoryError::Singular { elements: self.elements() };
        let vertices = self.solve_vertices(pin % self.vertices())?.ok_or_else(singular)?;
        let mut all = Vec::with_capacity(self.elements());
        for e in 0..self.elements() {
            let ends = [&vertices[e][..], &vertices[(e + 1) % self.vertices()]].concat();
            let local = self.local(e)?;
            let mut inner = Matrix::zeros(self.offset(self.modes), 1);
            for i in 0..self.offset(self.modes) {
                inner.row_mut(i)[0] = -local.inward.row(i).iter().zip(&ends).map(|(a, v)| a * v).sum::<f64>();
            }
            local.interior.factor().ok_or_else(singular)?.solve_columns(&mut inner);
            let value = |n: usize, a: usize, state: usize| match self.place(n, a, state) {
                Place::Vertex(k) => ends[k],
                Place::Interior(k) => inner.row(k)[0],
            };
            let degree = self.reference.degree;
            let mode = |state: usize, n: usize| -> Vec<f64> {
                if n % 2 == 1 {
                    return (0..degree).map(|l| value(n, l, state)).collect();
                }
                let nodes: Vec<f64> = (0..=degree).map(|a| value(n, a, state)).collect();
                let row = |t: &Vec<f64>| t.iter().zip(&nodes).map(|(t, v)| t * v).sum();
                self.reference.transform.iter().map(row).collect()
            };
            all.push((0..self.states()).map(|i| (0..self.modes).map(|n| mode(i, n)).collect()).collect());
        }
        let flat = |all: &Coefficients| all.iter().flatten().flatten().flatten().all(|c| c.is_finite());
        if flat(&all) { Ok(all) } else { Err(singular()) }
    }

    /// Element `e` without its interior.
    fn condensed(&self, e: usize) -> Result<Option<Matrix>, TheoryError> {
        let Local { interior, inward: mut response, outward, corners: mut left } = self.local(e)?;
        let factored: Option<FactoredBand> = interior.factor();
        Ok(factored.map(|interior| {
            interior.solve_columns(&mut response);
            left.subtract_product(&outward, &response);
            left
        }))
    }

    /// Values of the even modes at every vertex; `None` if the equations are singular.
    ///
    /// Vertices are eliminated one after the other round the cycle, beginning behind `pin`.
    fn solve_vertices(&self, pin: usize) -> Result<Option<Vec<Vec<f64>>>, TheoryError> {
        let (w, count) = (self.width(), self.vertices());
        let link = |vertex: usize| match vertex < self.elements() {
            true => self.condensed(vertex),
            false => Ok(Some(Matrix::zeros(2 * w, 2 * w))),
        };
        // The links so far, from the pinned vertex to the current one.
        let Some(mut chain) = link(pin)? else { return Ok(None) };
        let mut eliminated = Vec::with_capacity(count);
        for vertex in (1..count).map(|k| (pin + k) % count) {
            let Some(next) = link(vertex)? else { return Ok(None) };
            let mut middle = chain.block(w, w, w, w);
            middle.add(&next.block(0, 0, w, w));
            let Some(middle) = Factored::new(middle) else { return Ok(None) };
            let mut response = beside(&chain.block(w, 0, w, w), &next.block(0, w, w, w), w);
            middle.solve_columns(&mut response);
            let zero = Matrix::zeros(w, w);
            let upper = beside(&chain.block(0, 0, w, w), &zero, w);
            let lower = beside(&zero, &next.block(w, w, w, w), w);
            let outward = below(&chain.block(0, w, w, w), &next.block(w, 0, w, w), w, w);
            chain = below(&upper, &lower, w, 2 * w);
            chain.subtract_product(&outward, &response);
            eliminated.push(Eliminated { vertex, response });
        }
        let mut last = chain.block(0, 0, w, w);
        for (i, j) in [(0, w), (w, 0), (w, w)] {
            last.add(&chain.block(i, j, w, w));
        }
        // The balances of all states together are one equation too many: the density of the pinned
        // vertex replaces one.
        let states = self.states();
        let row = last.row_mut(states - 1);
        row.fill(0.0);
        row[..states].fill(1.0);
        let Some(last) = Factored::new(last) else { return Ok(None) };
        let mut pinned = vec![0.0; w];
        pinned[states - 1] = 1.0;
        last.solve(&mut pinned);
        let mut values = vec![pinned.clone(); count];
        let mut next = pinned.clone();
        for Eliminated { vertex, response } in eliminated.iter().rev() {
            let mut here = vec![0.0; w];
            response.subtract_apply(&[&pinned[..], &next].concat(), &mut here);
            values[*vertex].clone_from(&here);
            next = here;
        }
        Ok(Some(values))
    }
}

/// Two blocks of `columns` columns each, side by side.
fn beside(left: &Matrix, right: &Matrix, columns: usize) -> Matrix {
    let mut all = Matrix::zeros(columns, 2 * columns);
    for i in 0..columns {
        all.row_mut(i)[..columns].copy_from_slice(left.row(i));
        all.row_mut(i)[columns..].copy_from_slice(right.row(i));
    }
    all
}

/// Two blocks of `rows` rows each, one below the other.
fn below(top: &Matrix, bottom: &Matrix, rows: usize, columns: usize) -> Matrix {
    let mut all = Matrix::zeros(2 * rows, columns);
    for i in 0..rows {
        all.row_mut(i).copy_from_slice(top.row(i));
        all.row_mut(rows + i).copy_from_slice(bottom.row(i));
    }
    all
}
