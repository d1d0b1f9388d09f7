//! What particles with internal coordinates are asked. They are seen in the middle of their moves.
//!
//! **Flat mobility.** Where no force acts along x and diffusivities do not depend on it, `int D(q) P(x, q) dq` is the same everywhere.
//! The chain of moves for `dt` at frozen `q` and anything at frozen x has a law of its own, exactly: for the wave number `k` of a
//! mode
//! ```text
//! int sinh(D k^2 dt/2) P_k(q) dq = 0,      P_k(q) = int cos(k x) P(x, q) dx, seen in the middle of moves,
//! ```
//! whatever the shifts are. On cells of width `w` the integral over q is that of the middles, with `D - (second difference)/24` for
//! `D`: right to order `w^4` (Euler and Maclaurin), and at walls of q by the slope there to order `w^3`. Middles of bins give modes
//! without any error.
//!
//! **Boltzmann's law.** At uniform temperature judged shifts keep it for any step. Steps that are not judged do not, and are caught.

use super::premise::{heat_known, isothermal};
use super::questions::{Contrast, Interview, Seen};
use super::{Evidence, Expected, Question};
use crate::internal_space::InternalSpace;
use crate::model::{Boundary, Coordinates, Range, RateLaw};

/// Largest `D k^2 dt/2` of a cell in which anything was seen: beyond, single sightings outweigh all others.
const LARGEST: f64 = 2.0;

/// Highest polynomial of the coordinate that is compared with Boltzmann's law.
const HIGHEST: usize = 4;

/// What a run of particles with coordinates is asked.
pub(super) struct Internal<'i, 'a> {
    run: &'i Interview<'a>,
    coordinates: &'i Coordinates,
    first: &'a InternalSpace,
}

impl<'i, 'a> Internal<'i, 'a> {
    /// `None` if particles have no internal coordinates.
    pub fn of(run: &'i Interview<'a>) -> Option<Self> {
        let first = run.seen.first()?.group.internal.as_ref()?;
        Some(Internal { run, coordinates: run.context.model.coordinates.as_ref()?, first })
    }

    /// Every question, in the order of the report.
    pub fn all(&self) -> Vec<Question> {
        let run = self.run;
        let mut list = vec![run.steady(self.flat_mobility())];
        list.extend(run.context.model.network.channels().map(|c| match self.own(c.from) {
            false => run.transition_rate(c),
            true => Question {
                evidence: Evidence::Missing { reason: "the rate depends on the coordinate".into() },
                ..run.transition_rate(c)
            },
        }));
        list.push(run.steady(run.stationarity()));
        let still = self.in_equilibrium();
        list.push(run.steady(self.circulation(still.is_ok())));
        list.push(run.steady(self.heat_current(still.is_ok())));
        if still.is_ok() {
            list.extend([run.no_dissipation(), self.boltzmann()].map(|q| run.steady(q)));
        }
        let law = run.second_law();
        list.push(run.steady(match self.still_diffusivities() {
            Ok(()) => law,
            Err(reason) => Question { evidence: Evidence::Missing { reason }, ..law },
        }));
        list
    }

    fn own(&self, state: usize) -> bool {
        self.coordinates.states.get(state).is_some_and(|own| own.potential.is_some())
    }

    /// Ito diffusivities that depend on x are the limit of no equilibrium dynamics.
    fn still_diffusivities(&self) -> Result<(), String> {
        match self.run.states().find(|s| self.coordinates.diffusivity(*s).depends_on_x()) {
            Some(_) => Err("the diffusivity depends on x".into()),
            None => Ok(()),
        }
    }

    fn in_equilibrium(&self) -> Result<(), String> {
        let model = &self.run.context.model;
        if !isothermal(model) {
            return Err("the temperature varies".into());
        }
        self.still_diffusivities()?;
        heat_known(model)?;
        if self.run.states().any(|s| model.has_drift(s)) {
            return Err("a state propels itself".into());
        }
        let passive = |law: &RateLaw| matches!(law, RateLaw::Activated { affinity, .. } if *affinity == 0.0);
        match model.network.edges().iter().all(|e| passive(&e.law)) {
            true => Ok(()),
            false => Err("a transition is driven or free".into()),
        }
    }

    fn cells(&self) -> usize {
        self.first.cells()
    }

    fn middle(&self, cell: usize) -> f64 {
        0.5 * (self.first.edge(cell) + self.first.edge(cell + 1))
    }

    /// `cos` of a mode at the middles of the bins.
    fn cosine(&self, mode: usize) -> Vec<f64> {
        let grid = &self.run.context.grid;
        let at = |b: usize| libm::cos(self.run.weak.phase(mode, (b as f64 + 0.5) * grid.bin_width()));
        (0..grid.bins).map(at).collect()
    }

    /// `sum weight(bin) value(cell) (walkers seen)` of a group.
    fn seen(&self, seen: &Seen<'_>, weight: &[f64], value: &[f64]) -> f64 {
        let Some(internal) = &seen.group.internal else { return 0.0 };
        let rows = internal.seen().chunks(self.cells()).zip(weight);
        rows.map(|(row, w)| w * row.iter().zip(value).map(|(n, v)| *n as f64 * v).sum::<f64>()).sum()
    }

    /// Weights of the cells for the integral of `f(D(q)) P` over q.
    fn mobility(&self, f: impl Fn(f64) -> f64) -> Vec<f64> {
        let surface = self.coordinates.diffusivity(0);
        let at = |q: f64| f(surface.value(0.0, &[q]));
        let (cells, width) = (self.cells(), self.first.cell_width());
        let of = |cell: usize| {
            let q = self.middle(cell);
            at(q) - (at(q + width) - 2.0 * at(q) + at(q - width)) / 24.0
        };
        let mut weights: Vec<f64> = (0..cells).map(of).collect();
        if matches!(self.coordinates.axes[0].range, Range::Walls(_)) {
            let rise = |edge: f64, step: f64| (at(edge + step) - at(edge)) / 12.0;
            weights[0] += rise(self.first.edge(0), width);
            weights[cells - 1] += rise(self.first.edge(cells), -width);
        }
        weights
    }

    /// `int D P dq = const`: in the stationary law.
    fn flat_mobility(&self) -> Question {
        let (run, coordinates) = (self.run, self.coordinates);
        let model = &run.context.model;
        let dt = run.context.dwell[0][0];
        let common =
            coordinates.states.iter().all(|own| own.diffusivity.is_none()) || run.context.states() == 1;
        let missing = if coordinates.axes.len() > 1 {
            Some(
                "with several coordinates the diffusivity is not a function of the one that is seen"
                    .to_owned(),
            )
        } else if model.has_forces() || coordinates.has_force() {
            Some("a force acts along x".into())
        } else if !common {
            Some("states have diffusivities of their own, and all are seen together".into())
        } else {
            self.still_diffusivities().err()
        };
        let occupied: Vec<bool> = (0..self.cells())
            .map(|c| {
                let groups = run.seen.iter().filter_map(|s| s.group.internal.as_ref());
                groups.flat_map(|g| g.seen().iter().skip(c).step_by(self.cells())).any(|n| *n > 0)
            })
            .collect();
        let waves = |mode: usize| {
            let k = run.weak.wave_number(mode);
            let unit = 0.5 * k * k * dt;
            let fastest = (0..self.cells())
                .filter(|c| occupied[*c])
                .map(|c| unit * coordinates.diffusivity(0).value(0.0, &[self.middle(c)]));
            let seen = fastest.fold(0.0, f64::max) <= LARGEST;
            // Beyond what is seen nothing is multiplied.
            seen.then(|| self.mobility(|d| libm::sinh((unit * d).min(4.0 * LARGEST)) / unit))
        };
        let evidence = match missing {
            Some(reason) => Evidence::Missing { reason },
            None => {
                let each: Vec<Contrast<'_>> = (1..=run.modes)
                    .filter_map(|mode| Some((self.cosine(mode), waves(mode)?)))
                    .map(|(cosine, mobility)| {
                        let sum = move |seen: &Seen<'_>| 2.0 * self.seen(seen, &cosine, &mobility);
                        Box::new(sum) as Contrast<'_>
                    })
                    .collect();
                let (flat, mean) = (vec![1.0; run.context.grid.bins], self.mobility(|d| d));
                match each.is_empty() {
                    true => Evidence::Missing { reason: "the step is too long to see any wave".into() },
                    false => run.contrasts(&each, |seen| self.seen(seen, &flat, &mean)),
                }
            }
        };
        Question {
            name: "mean diffusivity times density is flat".into(),
            law: "int D(q) P(x, q) dq = const".into(),
            expected: Expected::Zero,
            effect: "a wave of {} of its mean".into(),
            evidence,
        }
    }

    /// Waves in x of a current through the faces between bins, or its mean.
    fn waves(&self, vanishes: bool) -> Vec<Vec<f64>> {
        let grid = &self.run.context.grid;
        let wave = |mode: usize| {
            let at = |k: usize| 2.0 * libm::sin(self.run.weak.phase(mode, grid.face(k))) / grid.bins as f64;
            (0..=grid.bins).map(at).collect()
        };
        if vanishes {
            return (1..=self.run.modes.min(grid.bins / 2)).map(wave).collect();
        }
        let mean = |k: usize| if k == 0 || k == grid.bins { 0.5 } else { 1.0 } / grid.bins as f64;
        vec![(0..=grid.bins).map(mean).collect()]
    }

    /// The current of particles with more than the mean energy.
    fn circulation(&self, vanishes: bool) -> Question {
        let ends = [self.first.edge(0), self.first.edge(self.cells())];
        let energetic = self.run.context.model.energetic_cells(ends, self.cells());
        let current = |seen: &Seen<'_>| -> Vec<f64> {
            let passages = seen.group.internal.as_ref().map(InternalSpace::move_passages).unwrap_or_default();
            let of =
                |row: &[i64]| row.iter().zip(&energetic).filter(|(_, e)| e.0).map(|(n, _)| *n as f64).sum();
            passages.chunks(self.cells()).map(of).collect()
        };
        let evidence = match energetic.is_empty() {
            true => Evidence::Missing {
                reason: "with several coordinates energies do not follow from the one seen".into(),
            },
            false => self.of_faces(vanishes, &current),
        };
        Question {
            name: if vanishes {
                "no hidden current in energy"
            } else {
                "hidden current of energetic particles"
            }
            .into(),
            law: if vanishes { "J_x(x, q) = 0" } else { "mean of J_x over q with U > <U>" }.into(),
            expected: if vanishes { Expected::Zero } else { Expected::Anything },
            effect: if vanishes { "a wave of {} 1/time" } else { "a mean of {} 1/time" }.into(),
            evidence,
        }
    }

    fn heat_current(&self, vanishes: bool) -> Question {
        let ring = self.run.context.model.domain.walls == Boundary::Periodic;
        let current = |seen: &Seen<'_>| {
            seen.group
                .internal
                .as_ref()
                .map(|g| crate::estimator::coordinates::carried(g).0)
                .unwrap_or_default()
        };
        let evidence = match heat_known(&self.run.context.model) {
            Err(reason) => Evidence::Missing { reason },
            Ok(()) if ring => {
                let reason = "on a ring only its differences are known from the heat absorbed";
                Evidence::Missing { reason: reason.into() }
            }
            Ok(()) => self.of_faces(vanishes, &current),
        };
        Question {
            name: if vanishes { "no hidden heat current" } else { "hidden heat current" }.into(),
            law: if vanishes { "J_E = 0" } else { "mean of J_E" }.into(),
            expected: if vanishes { Expected::Zero } else { Expected::Anything },
            effect: if vanishes { "a wave of {} energy/time" } else { "a mean of {} energy/time" }.into(),
            evidence,
        }
    }

    fn of_faces(&self, vanishes: bool, current: &dyn Fn(&Seen<'_>) -> Vec<f64>) -> Evidence {
        let each: Vec<Contrast<'_>> = self
            .waves(vanishes)
            .into_iter()
            .map(|wave| {
                let sum = move |seen: &Seen<'_>| current(seen).iter().zip(&wave).map(|(j, w)| j * w).sum();
                Box::new(sum) as Contrast<'_>
            })
            .collect();
        self.run.contrasts(&each, |seen| seen.exposure)
    }

    /// The law of the coordinate at uniform temperature, everywhere the same.
    fn boltzmann(&self) -> Question {
        let run = self.run;
        let model = &run.context.model;
        let cells = self.cells();
        let shares = model.energetic_cells([self.first.edge(0), self.first.edge(cells)], cells);
        let missing = if shares.is_empty() {
            Some("its cells have no law in closed form with several coordinates")
        } else if self.coordinates.has_force() {
            Some("the potential of the coordinate depends on x")
        } else if run.context.states() > 1 {
            Some("states are seen together")
        } else {
            None
        };
        let polynomial = |degree: usize| -> Vec<f64> {
            let at = |c: usize| {
                let u = 2.0 * (c as f64 + 0.5) / cells as f64 - 1.0;
                let (mut last, mut p) = (1.0, u);
                for l in 1..degree {
                    let n = l as f64;
                    (last, p) = (p, ((2.0 * n + 1.0) * u * p - n * last) / (n + 1.0));
                }
                p
            };
            let values: Vec<f64> = (0..cells).map(at).collect();
            let mean: f64 = values.iter().zip(&shares).map(|(v, (_, share))| v * share).sum();
            values.into_iter().map(|v| v - mean).collect()
        };
        let evidence = match missing {
            Some(reason) => Evidence::Missing { reason: reason.into() },
            None => {
                let pairs = (0..2).flat_map(|mode| (1..=HIGHEST).map(move |degree| (mode, degree)));
                let each: Vec<Contrast<'_>> = pairs
                    .take(run.seen.len() / 4)
                    .map(|(mode, degree)| {
                        let (cosine, values) = (self.cosine(mode), polynomial(degree));
                        let sum = move |seen: &Seen<'_>| self.seen(seen, &cosine, &values);
                        Box::new(sum) as Contrast<'_>
                    })
                    .collect();
                let (flat, one) = (vec![1.0; run.context.grid.bins], vec![1.0; cells]);
                run.contrasts(&each, |seen| self.seen(seen, &flat, &one))
            }
        };
        Question {
            name: "coordinate obeys Boltzmann's law".into(),
            law: "P(q) ~ exp(-U/kT)".into(),
            expected: Expected::Zero,
            effect: "a Legendre polynomial of q off by {}".into(),
            evidence,
        }
    }
}
