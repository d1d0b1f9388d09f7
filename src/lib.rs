#![forbid(unsafe_code)]
//! Stochastic particle engine for thermophoresis: why particles with internal states gather on the cold
//! or the hot side of a temperature gradient, with which hidden currents, and at what cost in heat.
//!
//! An experiment file is simulated without a time step, and the continuum theory of the same file is
//! solved beside it; every number comes with a standard error, every comparison with a deviate.
//!
//! ```
//! use soret::experiment::Experiment;
//! use soret::observable::Observable;
//! use soret::simulation;
//!
//! let file = r#"{
//!     "format_version": 1,
//!     "domain": { "length": 1 },
//!     "temperature": "1 + 0.8*x",
//!     "states": [ { "name": "excited", "energy": 1, "diffusivity": 0.1 },
//!                 { "name": "ground", "energy": 0, "diffusivity": 0.01 } ],
//!     "transitions": [ { "between": ["excited", "ground"], "attempt_rate": 10, "barrier": 1 } ],
//!     "run": { "particles": 2048, "legs": 200 }
//! }"#;
//! let experiment = Experiment::from_str("two_states", "two_states.json", file)?;
//! let summary = simulation::run(&experiment, &())?;
//! let soret = summary.quantities.iter().find(|q| q.observable == Observable::Soret).unwrap();
//! let (estimate, theory) = (soret.rows[0].estimate.estimate().unwrap(), soret.rows[0].theory.unwrap());
//! println!("soret {} ± {}, theory {theory}", estimate.value, estimate.std_error);
//! assert_eq!(summary.comparison.unwrap().agrees, Some(true));
//! # assert!((estimate.value - theory).abs() < 6.0 * estimate.std_error);
//! # Ok::<(), soret::error::Error>(())
//! ```
//!
//! The same without a file: a closure for the temperature, with the promise that its slope stays below 1,
//! from which the bounds that exact legs need are proven.
//!
//! ```
//! use soret::experiment::{Experiment, RunPlan};
//! use soret::model::{Edge, Function, Model, State};
//! use soret::{observable::Observable, simulation};
//!
//! let temperature = Function::lipschitz(|x| 1.0 + 0.5 * x * x, 1.0);
//! let states = vec![State::new("excited", 1.0, 0.1), State::new("ground", 0.0, 0.01)];
//! let model = Model::new(1.0, temperature, states, vec![Edge::new([0, 1], 10.0, 1.0)])?;
//! let experiment = Experiment::new("closures", model, RunPlan::legs(2048, 200));
//! let summary = simulation::run(&experiment, &())?;
//! let soret = summary.quantities.iter().find(|q| q.observable == Observable::Soret).unwrap();
//! println!("{:?}, theory {:?}", soret.rows[0].estimate, soret.rows[0].theory);
//! assert_eq!(summary.comparison.unwrap().agrees, Some(true));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A tour
//! A house of rooms; doors open one way, from the top of this list to the bottom.
//!
//! | room | what happens there |
//! |---|---|
//! | [`simulation`] | from an experiment to a summary: the one place where simulation and theory meet |
//! | [`convergence`] | how errors fall with particles, legs, steps and bins |
//! | [`report`] | from a summary to a page, JSON, CSV, plots, a run folder |
//! | [`continuum`] | the deterministic reference of an experiment: its stationary law, or its relaxation |
//! | [`sampling`] | the run itself: from an experiment to groups with their tallies, without any theory |
//! | [`stopping`] | when a run with a wanted error ends: settled before what counts is scored |
//! | [`experiment`] | from a file to a checked experiment, every mistake told with its place |
//! | [`comparison`] | measured against theory, entry by entry and jointly |
//! | [`assisted`] | smaller errors by regression on what the generator makes zero, beside the raw numbers |
//! | [`verification`] | identities that trajectories must obey, asked without any theory solved |
//! | [`estimator`] | from tallies to values with standard errors |
//! | [`ensemble`] | groups of walkers in parallel, round by round, the same bits for any number of threads |
//! | [`kernel`] | how a group advances: [`kernel::Exact`] legs, many at once [`kernel::Lanes`], [`kernel::EulerMaruyama`] and [`kernel::Baoab`] steps, in lanes [`kernel::LaneSteps`], [`kernel::LaneBaoab`] and [`kernel::LaneCoordinate`] |
//! | [`snapshot`] | a group at one moment: where its walkers are, how far they have come |
//! | [`phase_space`] | what is scored where velocities matter |
//! | [`internal_space`] | what is scored where continuous internal coordinates matter |
//! | [`volume`] | one well-mixed volume, and the cells in which numbers of particles are counted |
//! | [`trajectory`] | entropy and counts along single trajectories |
//! | [`event`] | the seam: moves and transitions as columns, and the [`Tally`](event::Tally) that scores them |
//! | [`theory`] | the deterministic reference, which never sees a random number |
//! | [`observable`], [`grid`] | what can be measured, and where: shared by both sides |
//! | [`model`] | the equations: domain, temperature, states and transitions |
//! | [`expression`] | the small language of the file, with derivatives and proven bounds |
//! | [`rng`], [`stats`] | streams and laws of random numbers; group statistics |
//!
//! To score something new, write a [`Tally`](event::Tally); to advance walkers in a new way, write a
//! [`Kernel`](kernel::Kernel); to measure something new, write an [`Estimator`](estimator::Estimator).

pub mod assisted;
pub mod comparison;
pub mod continuum;
pub mod convergence;
pub mod ensemble;
pub mod error;
pub mod estimator;
pub mod event;
pub mod experiment;
pub mod expression;
pub mod grid;
pub mod internal_space;
pub mod kernel;
pub mod model;
pub mod observable;
pub mod phase_space;
pub mod pilot;
pub mod report;
pub mod rng;
pub mod sampling;
pub mod simulation;
pub mod snapshot;
pub mod stats;
pub mod stopping;
pub mod theory;
pub mod trajectory;
pub mod verification;
pub mod volume;
