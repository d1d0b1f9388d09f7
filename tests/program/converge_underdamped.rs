//! Convergence studies of underdamped particles: order of a bias that is seen, and one that must not be there.
//!
//! Statements about samples hold within 6.5 standard errors, alpha 1e-10 each; there are about 20 of them. Orders
//! without noise, with their negative control, are held in `tests/engine/underdamped_chain.rs`.

use soret::convergence::{Axis, Kind, Options, Series, Study, study};
use soret::experiment::Experiment;

const SIGMAS: f64 = 6.5;

/// `gamma/m = 8`, a box 8 mean free paths long.
const ONE: &str = r#"{"format_version": 1, "domain": {"length": 1}, "temperature": "1 - 0.4*cos(pi*x)",
    "mass": 1, "friction": 8, "motion": "underdamped", "method": {"METHOD": {"dt": 0.05}},
    "run": {"particles": 4096, "duration": 100}, "measure": {"bins": 8}}"#;

const HARMONIC: &str = r#"{"format_version": 1, "domain": {"length": 8}, "temperature": 1, "potential": "0.5*(x - 4)^2",
    "mass": 1, "friction": 2, "motion": "underdamped", "method": {"baoab": {"dt": 0.2}},
    "run": {"particles": 4096, "duration": 100}, "measure": {"bins": 8}}"#;

const TWO: &str = r#"{"format_version": 1, "domain": {"length": 1}, "temperature": "1 + 0.8*x",
    "states": [{"name": "A", "energy": 1, "friction": 10, "mass": 1}, {"name": "B", "friction": 20, "mass": 2}],
    "transitions": [{"between": ["A", "B"], "attempt_rate": 4, "barrier": 1.5}],
    "motion": "underdamped", "method": {"baoab_flux": {"dt": 0.02}},
    "run": {"particles": 4096, "duration": 100}, "measure": {"bins": 8}}"#;

fn read(text: &str) -> Experiment {
    Experiment::from_str("test", "test.json", text).unwrap_or_else(|e| panic!("{e}"))
}

fn done(text: &str, axis: Axis, effort: f64) -> Study {
    let options = Options { axes: vec![axis], effort, repeats: 256, ..Options::default() };
    study(&read(text), &options, &()).expect("a study").expect("not ended early")
}

fn find<'a>(study: &'a Study, label: &str) -> &'a Series {
    let found = study.series.iter().find(|s| s.kind != Kind::Binning && s.label() == label);
    found.unwrap_or_else(|| {
        panic!("{label}: {:?}", study.series.iter().map(Series::label).collect::<Vec<_>>())
    })
}

#[test]
fn currents_have_order_two_with_the_exact_bath_and_no_bias_with_the_exact_flux() {
    // Every order to about 0.06: steps in lanes are cheap, and fits to points that hardly stand out of the noise are not normal.
    let [exact, flux] = [("baoab", 1.2e9), ("baoab_flux", 5e7)]
        .map(|(m, effort)| done(&ONE.replace("METHOD", m), Axis::Dt, effort));
    for label in ["mean_heat_current", "heat_current_carried", "peak_slow_current particle"] {
        let series = find(&exact, label);
        let fit = series.fit.expect("a bias");
        let error = (fit.ci_high.expect("an end") - fit.ci_low.expect("an end")) / 3.92;
        assert_eq!(series.expected, Some(2.0));
        // The next term of z coth z bends a fit by 0.15 or so.
        assert!((fit.slope - 2.0).abs() < SIGMAS * error + 0.2, "{label}: {fit:?}");
        assert!(error < 0.15, "{label}: {fit:?}");
        // Order 1 is eight of these errors away; outside of the 95 % interval it must be.
        assert!(fit.ci_low.is_some_and(|low| low > 1.0), "{label}: {fit:?}");
        let longest = |s: &Study| {
            let point = find(s, label).points[0];
            (point.value / point.theory.expect("a law"), point.std_err / point.theory.expect("a law").abs())
        };
        // A fifth at least with gamma dt/m = 0.8; a tenth at most with the exact flux, within errors of 1 or 2 %.
        let [(plain, _), (mended, error)] = [&exact, &flux].map(longest);
        assert!(
            plain > 0.2 && error < 0.02 && mended.abs() < 0.1 + SIGMAS * error,
            "{label}: {plain} {mended}"
        );
        assert_eq!(flux.settings.method, "baoab_flux");
    }
    // A run of the file is told to be biased in what is, and not in what is not.
    let own =
        |s: &Study, label: &str| s.budget.own.iter().find(|o| o.quantity == label).expect(label).clone();
    use soret::convergence::budget::Dominant::*;
    assert_eq!(own(&exact, "mean_heat_current").dominant, Some(Bias));
    assert!(own(&exact, "mean_heat_current").balanced_dt.is_some_and(|dt| dt < 0.05));
    assert_eq!(own(&exact, "kinetic_temperature").dominant, Some(Noise));
}

#[test]
fn forces_and_states_have_studies_too() {
    let harmonic = done(HARMONIC, Axis::Dt, 2e7);
    // Positions follow Boltzmann's law at any step, and nothing flows.
    let densities = find(&harmonic, "density_middle");
    assert!(densities.points.iter().all(|p| p.value.abs() < SIGMAS * p.std_err), "{densities:?}");
    let heat = find(&harmonic, "mean_heat_current");
    assert!(heat.points.iter().all(|p| p.value.abs() < SIGMAS * p.std_err));
    let two = done(TWO, Axis::Dt, 2e7);
    for label in ["population A", "mean_current B", "heat_current_carried", "kinetic_temperature B"] {
        let series = find(&two, label);
        assert!(series.points.len() == 7 && series.theory.is_some(), "{series:?}");
    }
    assert!(two.agrees && harmonic.agrees);
}

#[test]
fn sampling_errors_of_underdamped_particles_fall_as_others_do() {
    let text = ONE.replace("METHOD", "baoab_flux");
    let slope = |study: &Study, label: &str, expected: f64| {
        let series = find(study, label);
        let fit = series.fit.expect("a fit");
        let error = (fit.ci_high.expect("an end") - fit.ci_low.expect("an end")) / 3.92;
        assert_eq!(series.expected, Some(expected));
        assert!((fit.slope - expected).abs() < SIGMAS * error + 0.02 && error < 0.06, "{label}: {fit:?}");
        assert!(series.theory.is_some());
    };
    let particles = done(&text, Axis::Particles, 1e7);
    for label in ["mean_heat_current", "soret", "mean_current particle"] {
        slope(&particles, label, -0.5);
    }
    let durations = done(&text, Axis::Legs, 2e7);
    for (label, expected) in [("mean_heat_current", -0.5), ("mean_current particle", -1.0)] {
        slope(&durations, label, expected);
    }
}
