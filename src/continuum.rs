//! The continuum theory that stands beside an experiment: the stationary law, or with observation times the
//! relaxation from its start.

use crate::error::Error;
use crate::experiment::Experiment;
use crate::expression::Expression;
use crate::grid::Grid;
use crate::kernel::start::Start;
use crate::model::{Field, InTemperature, Mixture, Model, Uniform};
use crate::observable::{Instant, Observable};
use crate::report::summary::{TheorySummary, WellSummary, WellsSummary};
use crate::sampling;
use crate::theory::CoordinateLimit;
use crate::theory::coordinate::{self, CoordinateLaw};
use crate::theory::coordinate_limit::WellState;
use crate::theory::coordinate_times::{self, CoordinateTimes};
use crate::theory::kramers::{self, Kramers};
use crate::theory::overdamped::Overdamped;
use crate::theory::reaction::steps::Meeting;
use crate::theory::reaction::{self, Amounts, FastReactions, Numbers, Profiles, Steady, StepLaw, Transient};
use crate::theory::relaxation::{self, Initial, Occupancy, Positions, Relaxation};
use crate::theory::{self, FastLimit, Stationary};
use crate::trajectory::PathWeights;
use std::sync::Arc;

/// The deterministic reference of an experiment.
#[derive(Clone, Debug)]
pub enum Continuum {
    /// Of a run that averages: the stationary law, and its closed form for infinitely fast transitions where
    /// that exists.
    Stationary(Box<Stationary>, Option<Box<FastLimit>>),
    /// Of a run with observation times.
    Relaxing(Box<Relaxation>),
    /// Of underdamped particles: the stationary law in phase space, and its closed forms for a short mean free path
    /// where they exist.
    Inertial(Box<Kramers>, Option<Box<Overdamped>>),
    /// Of particles with internal coordinates.
    Internal(Box<Internal>),
    /// Of particles that react.
    Reacting(Box<Reacting>),
    /// Of numbers of particles in a well-mixed volume.
    Mixed(Box<Mixed>),
}

/// What is known of a well-mixed volume.
#[derive(Clone, Debug)]
pub struct Mixed {
    model: Model,
    numbers: Numbers,
}

impl Mixed {
    fn at(&self, observable: Observable) -> Option<(usize, Instant)> {
        match observable {
            Observable::At(k, what) => Some((k, what)),
            _ => None,
        }
    }

    /// The equation that was solved, in words.
    fn equation(&self) -> &'static str {
        if self.numbers.states().is_some() {
            "master equation, d_t p(n) = sum_w [a_w(n - nu_w) p(n - nu_w) - a_w(n) p(n)], one well-mixed volume"
        } else if self.numbers.has_means() {
            "means of numbers, d_t n_k = sum_r nu_kr (v_r+ - v_r-), one well-mixed volume"
        } else {
            "the deterministic law alone, d_t c_k = sum_r nu_kr (v_r+ - v_r-), which is not the mean of finite numbers"
        }
    }
}

/// What is known of particles that react.
#[derive(Clone, Debug)]
pub struct Reacting {
    model: Model,
    mixture: Arc<Mixture>,
    /// Reactions of the model that can happen at all, by their number; the equations know no others.
    open: Vec<usize>,
    law: Concentrations,
    /// The limit of fast reactions, where there is one.
    fast: Option<FastReactions>,
}

/// Deterministic concentrations.
#[derive(Clone, Debug)]
enum Concentrations {
    Steady(Steady),
    Transient(Transient),
    /// Nothing stationary was found: why.
    Unsteady(String),
}

impl Reacting {
    fn solve(model: &Model, whole: &Mixture, start: Vec<f64>, times: &[f64]) -> Result<Self, Error> {
        let numeric = |error: theory::TheoryError| Error::Numeric(error.to_string());
        // What is closed in both directions conserves more than its equation says.
        let open: Vec<usize> =
            (0..whole.reactions().len()).filter(|r| whole.reactions()[*r].open() != [false; 2]).collect();
        let reactions = open.iter().map(|r| whole.reactions()[*r].clone()).collect();
        let mixture = whole.with_reactions(reactions).map_err(|e| Error::Numeric(e.to_string()))?;
        let law = if times.is_empty() {
            let amounts = Amounts::Concentrations(start.clone());
            match reaction::steady::solve(&mixture, &amounts, &reaction::steady::Options::default()) {
                Ok(law) => Concentrations::Steady(law),
                Err(error @ theory::TheoryError::Unsteady { .. }) => {
                    Concentrations::Unsteady(error.to_string())
                }
                Err(error) => return Err(numeric(error)),
            }
        } else {
            let start: Vec<Arc<dyn Field>> =
                start.iter().map(|c| Arc::new(Uniform(*c)) as Arc<dyn Field>).collect();
            let options = reaction::transient::Options::default();
            let law = reaction::transient::solve(&mixture, &start, times, &options).map_err(numeric)?;
            Concentrations::Transient(law)
        };
        let fast = FastReactions::new(&mixture, &Amounts::Concentrations(start)).ok();
        let fast = fast.filter(|_| times.is_empty());
        Ok(Reacting { model: model.clone(), mixture: Arc::new(mixture), open, law, fast })
    }

    fn reference(&self, observable: Observable, grid: &Grid) -> Option<Vec<Option<f64>>> {
        let observable = match observable {
            Observable::NetRate(r) => match self.open.iter().position(|open| *open == r) {
                Some(r) => Observable::NetRate(r),
                None => return Some(vec![Some(0.0); grid.bins]),
            },
            other => other,
        };
        match (&self.law, observable) {
            (Concentrations::Steady(law), _) => law.profiles().reference(observable, grid),
            (Concentrations::Transient(law), Observable::At(k, what)) => {
                law.frames().get(k)?.reference_at(what, grid)
            }
            _ => None,
        }
    }

    fn profiles(&self) -> Option<&Profiles> {
        match &self.law {
            Concentrations::Steady(law) => Some(law.profiles()),
            Concentrations::Transient(law) => law.frames().last(),
            Concentrations::Unsteady(_) => None,
        }
    }

    /// Estimated shift of the mean concentration of every species because there are finitely many particles,
    /// `system_size` per unit of concentration and length; see [`reaction::finite`]. Of a stationary law only.
    pub fn finite_shift(&self, system_size: f64) -> Option<Vec<f64>> {
        let Concentrations::Steady(law) = &self.law else { return None };
        let length = self.model.domain.length;
        let grid = Grid::new(length, 64);
        let means: Vec<f64> =
            law.profiles().bin_means(&grid).iter().map(|c| c.iter().sum::<f64>() / c.len() as f64).collect();
        reaction::finite::shift(&self.mixture, &means, 0.5 * length, system_size * length)
    }
}

/// What is known of particles with internal coordinates.
#[derive(Clone, Debug)]
pub struct Internal {
    model: Model,
    law: InternalLaw,
    /// The limit of its stationary law for fast coordinates, where there is one.
    limit: Option<CoordinateLimit>,
}

/// The equation of internal coordinates that was solved.
#[derive(Clone, Debug)]
enum InternalLaw {
    /// The stationary law, of a single coordinate.
    Stationary(CoordinateLaw),
    /// What is seen at observation times.
    Times(CoordinateTimes),
    /// Nothing is known of averages, as there are several coordinates.
    Unsolved,
    /// Nothing is known of observation times: what the theory would need.
    Unknown(&'static str),
}

impl Internal {
    fn stationary(&self) -> Option<&CoordinateLaw> {
        match &self.law {
            InternalLaw::Stationary(law) => Some(law),
            _ => None,
        }
    }

    fn reference(&self, observable: Observable, grid: &Grid) -> Option<Vec<Option<f64>>> {
        match &self.law {
            InternalLaw::Stationary(law) => law.reference(observable, grid),
            InternalLaw::Times(law) => law.reference(observable, grid),
            InternalLaw::Unsolved | InternalLaw::Unknown(_) => None,
        }
    }

    fn equation(&self) -> &'static str {
        match &self.law {
            InternalLaw::Stationary(_) => {
                "Fokker-Planck in (x, q), -d_x J_x - d_q J_q + sum_j (k_ij P_j - k_ji P_i) = 0"
            }
            InternalLaw::Times(_) => {
                "moments of the displacement, d_t P_k = L_q P_k + k (k - 1) D(q) P_(k-2), nothing depends on x"
            }
            InternalLaw::Unsolved => "the limit of fast coordinates",
            InternalLaw::Unknown(_) => "what coordinates do in time is not solved",
        }
    }

    fn resolution(&self) -> String {
        match &self.law {
            InternalLaw::Stationary(law) => format!("{} elements", law.vertices().len().saturating_sub(1)),
            InternalLaw::Times(law) => format!("{} elements of the coordinate", law.elements()),
            InternalLaw::Unsolved => "the full equation is not solved for several coordinates".into(),
            InternalLaw::Unknown(must) => format!("the theory needs {must}"),
        }
    }
}

impl Continuum {
    /// Solves the equations of an experiment.
    ///
    /// # Errors
    /// [`Error::Numeric`] if there is no solution.
    pub fn solve(experiment: &Experiment) -> Result<Self, Error> {
        let numeric = |error: theory::TheoryError| Error::Numeric(error.to_string());
        let model = &experiment.model;
        let times = sampling::times(experiment);
        // Observation begins after the burn-in, theory with the start.
        let opening = sampling::opening(experiment);
        if let Some(masses) = masses(experiment) {
            let law = kramers::solve(model, &masses, &kramers::Options::default()).map_err(numeric)?;
            let closed = Overdamped::new(model, masses[0]).ok().map(Box::new);
            return Ok(Continuum::Inertial(Box::new(law), closed));
        }
        if let (Some(mixture), Some(volume)) = (&model.mixture, experiment.volume()) {
            let numbers = reaction::numbers::solve(mixture, &volume, &times).map_err(numeric)?;
            return Ok(Continuum::Mixed(Box::new(Mixed { model: model.clone(), numbers })));
        }
        if let Some(mixture) = &model.mixture {
            let since: Vec<f64> = times.iter().map(|t| opening + t).collect();
            let law = Reacting::solve(model, mixture, experiment.mean_concentrations(), &since)?;
            return Ok(Continuum::Reacting(Box::new(law)));
        }
        if let Some(coordinates) = &model.coordinates {
            let law = match (times.as_slice(), coordinates.axes.len()) {
                ([], 1) => {
                    let options = coordinate::Options::default();
                    InternalLaw::Stationary(coordinate::solve(model, &options).map_err(numeric)?)
                }
                ([], _) => InternalLaw::Unsolved,
                _ => match coordinate_times::premise(model) {
                    Err(theory::TheoryError::Premise { must }) => InternalLaw::Unknown(must),
                    _ => {
                        let (start, opening) = (initial(experiment)?, sampling::opening(experiment));
                        let options = coordinate_times::Options::default();
                        let law = coordinate_times::solve(model, &start, opening, &times, &options);
                        InternalLaw::Times(law.map_err(numeric)?)
                    }
                },
            };
            let limit = CoordinateLimit::new(model).ok().filter(|_| times.is_empty());
            return Ok(Continuum::Internal(Box::new(Internal { model: model.clone(), law, limit })));
        }
        if times.is_empty() {
            let law = theory::stationary::solve(model, &theory::Options::default()).map_err(numeric)?;
            return Ok(Continuum::Stationary(Box::new(law), FastLimit::new(model).ok().map(Box::new)));
        }
        let start = initial(experiment)?;
        let options = relaxation::Options::default();
        let law = relaxation::solve_from(model, &start, opening, &times, &options).map_err(numeric)?;
        Ok(Continuum::Relaxing(Box::new(law)))
    }

    /// One value per entry of an observable, `None` where theory has no answer.
    pub fn reference(&self, observable: Observable, grid: &Grid) -> Option<Vec<Option<f64>>> {
        match self {
            Continuum::Stationary(law, _) => law.reference(observable, grid),
            Continuum::Relaxing(law) => law.reference(observable, grid),
            Continuum::Inertial(law, _) => law.reference(observable, grid),
            Continuum::Internal(known) => known.reference(observable, grid),
            Continuum::Reacting(known) => known.reference(observable, grid),
            Continuum::Mixed(known) => {
                let (k, what) = known.at(observable)?;
                known.numbers.reference(k, what, grid.across)
            }
        }
    }

    /// The closed form for infinitely fast transitions, or for a short mean free path, entry by entry.
    pub fn fast_limit(&self, observable: Observable, grid: &Grid) -> Vec<Option<f64>> {
        let entries = observable.support().entries(grid);
        let closed = match self {
            Continuum::Inertial(_, closed) => closed.as_ref().and_then(|c| c.reference(observable, grid)),
            Continuum::Internal(known) => known.limit.as_ref().and_then(|l| l.reference(observable, grid)),
            Continuum::Reacting(known) => known.fast.as_ref().and_then(|f| f.reference(observable, grid)),
            Continuum::Mixed(known) => {
                known.at(observable).and_then(|(k, what)| known.numbers.limit(k, what))
            }
            _ => self.fast().and_then(|f| f.reference(observable, grid)),
        };
        closed.filter(|c| c.len() == entries).unwrap_or_else(|| vec![None; entries])
    }

    /// Estimated relative error.
    pub fn error_estimate(&self) -> f64 {
        match self {
            Continuum::Stationary(law, _) => law.error_estimate(),
            Continuum::Relaxing(law) => law.error_estimate(),
            Continuum::Inertial(law, _) => law.error_estimate(),
            Continuum::Internal(known) => match &known.law {
                InternalLaw::Stationary(law) => law.error_estimate(),
                InternalLaw::Times(law) => law.error_estimate(),
                InternalLaw::Unsolved | InternalLaw::Unknown(_) => 0.0,
            },
            Continuum::Reacting(known) => match &known.law {
                Concentrations::Steady(law) => law.error_estimate(),
                Concentrations::Transient(law) => law.error_estimate(),
                Concentrations::Unsteady(_) => 0.0,
            },
            // Bounds on what sums leave out are beyond rounding.
            Continuum::Mixed(_) => 0.0,
        }
    }

    /// Whether that is as small as was asked for.
    pub fn is_converged(&self) -> bool {
        match self {
            Continuum::Stationary(law, _) => law.is_converged(),
            Continuum::Relaxing(law) => law.is_converged(),
            Continuum::Inertial(law, _) => law.is_converged(),
            Continuum::Internal(known) => match &known.law {
                InternalLaw::Stationary(law) => law.is_converged(),
                InternalLaw::Times(law) => law.is_converged(),
                InternalLaw::Unsolved | InternalLaw::Unknown(_) => true,
            },
            Continuum::Reacting(known) => match &known.law {
                Concentrations::Steady(law) => law.is_converged(),
                _ => true,
            },
            Continuum::Mixed(_) => true,
        }
    }

    /// What single trajectories are weighed with: the stationary densities. `None` for a relaxation, and where
    /// a transition has no way back.
    pub fn path_weights(&self, grid: &Grid) -> Option<PathWeights> {
        match self {
            Continuum::Stationary(law, _) => PathWeights::new(law.model(), grid, &|x| law.density_at(x)),
            _ => None,
        }
    }

    /// What a reader should know of the theory that stands beside a run.
    pub fn caution(&self) -> Option<String> {
        match self {
            Continuum::Reacting(known) => match &known.law {
                Concentrations::Unsteady(why) => {
                    Some(format!("no stationary law stands beside the run: {why}"))
                }
                _ => None,
            },
            Continuum::Internal(known) => match known.law {
                InternalLaw::Unknown(must) => {
                    Some(format!("no theory of what is seen at times stands beside the run: it needs {must}"))
                }
                _ => None,
            },
            Continuum::Mixed(known) => {
                known.numbers.unknown().map(|why| format!("no master equation stands beside the run: {why}"))
            }
            _ => None,
        }
    }

    /// The law of steps of the method `pairs` for infinitely many particles; of stationary concentrations only, and as
    /// [`reaction::steps::solve`].
    pub fn steps(&self, cells: usize, dt: f64, meeting: Meeting) -> Option<StepLaw> {
        match self {
            Continuum::Reacting(known) => match &known.law {
                Concentrations::Steady(law) => reaction::steps::solve(law.profiles(), cells, dt, meeting),
                _ => None,
            },
            _ => None,
        }
    }

    /// As [`Reacting::finite_shift`].
    pub fn finite_shift(&self, system_size: f64) -> Option<Vec<f64>> {
        match self {
            Continuum::Reacting(known) => known.finite_shift(system_size),
            _ => None,
        }
    }

    /// In numbers and words.
    pub fn summary(&self) -> TheorySummary {
        let equation = match self {
            Continuum::Stationary(..) => "stationary law, -d_x J_i + sum_j (k_ij P_j - k_ji P_i) = 0",
            Continuum::Relaxing(_) => "relaxation, d_t P_i = -d_x J_i + sum_j (k_ij P_j - k_ji P_i)",
            Continuum::Internal(known) => known.equation(),
            Continuum::Reacting(known) => match &known.law {
                Concentrations::Steady(_) => {
                    "stationary concentrations, -d_x J_k + sum_r nu_kr (v_r+ - v_r-) = 0"
                }
                Concentrations::Transient(_) => {
                    "concentrations, d_t c_k = -d_x J_k + sum_r nu_kr (v_r+ - v_r-)"
                }
                Concentrations::Unsteady(_) => "no stationary concentrations were found",
            },
            Continuum::Mixed(known) => known.equation(),
            Continuum::Inertial(..) => "Kramers, v d_x P + (F/m) d_v P = (gamma/m) d_v(v P + (kT/m) d_v P)",
        };
        let layer = |x: f64| self.fast()?.layer_lengths(x).ok()?.first().copied().filter(|l| l.is_finite());
        let length = self.model().domain.length;
        let elements = self.vertices().len().saturating_sub(1);
        let walls = self.model().domain.walls == crate::model::Boundary::Reflecting;
        TheorySummary {
            equation: match self {
                Continuum::Mixed(_) => equation.to_owned(),
                _ => format!("{equation}, {}", if walls { "no flux at the walls" } else { "on a ring" }),
            },
            error_estimate: self.error_estimate(),
            resolution: match self {
                Continuum::Internal(known) => known.resolution(),
                Continuum::Mixed(known) => match known.numbers.states() {
                    Some(states) => format!("{states} states"),
                    None => "no states".into(),
                },
                _ => format!("{elements} elements"),
            },
            wall_layers: match self {
                Continuum::Inertial(_, closed) => closed.as_ref().map(|c| c.layers()),
                _ => layer(0.0).zip(layer(length)).filter(|_| walls).map(|(left, right)| [left, right]),
            },
            wells: self.wells(),
        }
    }

    /// The wells of a coordinate as discrete states in the middle of the domain, and what these would do.
    fn wells(&self) -> Option<WellsSummary> {
        const BINS: usize = 20;
        let Continuum::Internal(known) = self else { return None };
        let (wells, network) = known.limit.as_ref()?.as_network()?;
        let x = 0.5 * known.model.domain.length;
        let law = theory::stationary::solve(&network, &theory::Options::default()).ok();
        let grid = Grid::new(known.model.domain.length, BINS);
        let number = |observable| {
            let entries = law.as_ref()?.reference(observable, &grid)?;
            entries.first().copied().flatten().filter(|v| v.is_finite())
        };
        let mean = |of: &dyn Fn(&WellState) -> f64| wells.iter().map(|w| w.occupancy * of(w)).sum::<f64>();
        let (energy, mobility) = (mean(&|w| w.energy), mean(&|w| w.diffusivity));
        let covariance = mean(&|w| (w.energy - energy) * w.diffusivity);
        let t = known.model.temperature.value(x);
        let varies = known.model.temperature.constant().is_none();
        let fast = covariance / (mobility * known.model.boltzmann * t * t);
        let state = |w: &WellState| WellSummary {
            between: w.well.between,
            bottom: w.well.bottom,
            population: w.occupancy,
            energy: w.energy,
            diffusivity: w.diffusivity,
            rate_down: w.rates[0],
            rate_up: w.rates[1],
        };
        Some(WellsSummary {
            x,
            states: wells.iter().map(state).collect(),
            soret: number(Observable::Soret),
            soret_wall: number(Observable::SoretWall),
            soret_fast: Some(fast).filter(|s| varies && s.is_finite()),
        })
    }

    fn fast(&self) -> Option<&FastLimit> {
        match self {
            Continuum::Stationary(_, fast) => fast.as_deref(),
            _ => None,
        }
    }

    fn model(&self) -> &Model {
        match self {
            Continuum::Stationary(law, _) => law.model(),
            Continuum::Relaxing(law) => law.model(),
            Continuum::Inertial(law, _) => law.model(),
            Continuum::Internal(known) => &known.model,
            Continuum::Reacting(known) => &known.model,
            Continuum::Mixed(known) => &known.model,
        }
    }

    fn vertices(&self) -> &[f64] {
        match self {
            Continuum::Stationary(law, _) => law.vertices(),
            Continuum::Relaxing(law) => law.vertices(),
            Continuum::Inertial(law, _) => law.vertices(),
            Continuum::Internal(known) => known.stationary().map_or(&[], CoordinateLaw::vertices),
            Continuum::Reacting(known) => known.profiles().map_or(&[], Profiles::vertices),
            Continuum::Mixed(_) => &[],
        }
    }
}

/// The masses of the states, of underdamped particles.
fn masses(experiment: &Experiment) -> Option<Vec<f64>> {
    experiment.model.network.states().iter().map(|s| s.mass).collect()
}

/// The start of an experiment in the terms of the theory.
fn initial(experiment: &Experiment) -> Result<Initial, Error> {
    let model = &experiment.model;
    let positions = match &experiment.run.start {
        Start::Uniform => Positions::Uniform,
        Start::LocalEquilibrium => Positions::InverseDiffusivity,
        Start::Point { x, .. } => Positions::Point(*x),
        Start::Profile { law, .. } => {
            let law = Expression::parse(law, &["x", "T"], &experiment.parameters)
                .map_err(|e| Error::Numeric(format!("the profile of the start, {law}: {e}")))?;
            Positions::Profile(Arc::new(InTemperature::new(law, model.temperature.clone())))
        }
    };
    let states = match experiment.run.start.state() {
        None => Occupancy::LocalEquilibrium,
        Some(state) => {
            let weight = |s: usize| if s == state { 1.0 } else { 0.0 };
            Occupancy::Weights((0..model.network.states().len()).map(weight).collect())
        }
    };
    Ok(Initial { positions, states })
}
