//! Well-mixed volumes from an experiment file to the verdict, and what is wrong with such files.

use crate::common::note;
use soret::comparison::{Comparison, compare};
use soret::continuum::Continuum;
use soret::error::Error;
use soret::experiment::{Experiment, Method};
use soret::observable::{Instant, Observable};
use soret::report::summary::Summary;
use soret::sampling::{self, Sampled};
use soret::simulation;
use soret::stats::Outcome;
use soret::theory::reaction::{Extent, States};

/// Family-wise probability of a false alarm of each run.
const ALPHA: f64 = 1e-7;

const TIMES: [f64; 4] = [0.1, 0.4, 1.0, 3.0];

/// Dimers of `monomers` in a volume of as many particles per concentration, with both rate constants 1 unless said otherwise.
fn dimers(monomers: u64, rates: &str, realisations: u64) -> String {
    let size = monomers.max(1);
    format!(
        r#"{{ "format_version": 1, "temperature": 1,
            "species": [ {{ "name": "P", "concentration": 1 }}, {{ "name": "P2", "content": 2 }} ],
            "reactions": [ {{ "equation": "2 P <-> P2", {rates} }} ],
            "method": "well_mixed",
            "run": {{ "system_size": {size}, "realisations": {realisations}, "groups": 64, "seed": 3 }},
            "measure": {{ "times": [0.1, 0.4, 1, 3] }} }}"#
    )
}

const BOTH: &str = r#""forward": 1, "backward": 1"#;

fn read(text: &str) -> Experiment {
    Experiment::from_str("t", "t.json", text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

fn sample(experiment: &Experiment) -> Sampled {
    sampling::sample(experiment, &()).expect("a run")
}

/// The law of the number of dimers at all times, by fourth-order Runge-Kutta on the master equation written out here; pairs as
/// `n (n - 1)`, or as `n^2` where a monomer may meet itself.
fn by_hand(monomers: u64, with_itself: bool) -> Vec<Vec<f64>> {
    const STEPS: usize = 2000;
    let volume = monomers as f64;
    let most = (monomers / 2) as usize;
    let birth = |d: usize| {
        let n = monomers as f64 - 2.0 * d as f64;
        if n < 2.0 { 0.0 } else { n * (if with_itself { n } else { n - 1.0 }) / volume }
    };
    let slope = |p: &[f64]| -> Vec<f64> {
        let gain = |d: usize| {
            let born = if d > 0 { birth(d - 1) * p[d - 1] } else { 0.0 };
            let died = if d < most { (d + 1) as f64 * p[d + 1] } else { 0.0 };
            born + died - (birth(d) + d as f64) * p[d]
        };
        (0..=most).map(gain).collect()
    };
    let moved = |p: &[f64], k: &[f64], h: f64| p.iter().zip(k).map(|(p, k)| p + h * k).collect::<Vec<f64>>();
    let mut law = vec![0.0; most + 1];
    law[0] = 1.0;
    let (mut now, mut laws) = (0.0, Vec::new());
    for time in TIMES {
        let h = (time - now) / STEPS as f64;
        for _ in 0..STEPS {
            let a = slope(&law);
            let b = slope(&moved(&law, &a, 0.5 * h));
            let c = slope(&moved(&law, &b, 0.5 * h));
            let d = slope(&moved(&law, &c, h));
            for i in 0..=most {
                law[i] += h / 6.0 * (a[i] + 2.0 * b[i] + 2.0 * c[i] + d[i]);
            }
        }
        now = time;
        laws.push(law.clone());
    }
    laws
}

/// A run against such laws.
fn against(sampled: &Sampled, monomers: u64, laws: &[Vec<f64>]) -> Comparison {
    let grid = sampled.context.grid;
    let reference = |observable: Observable| {
        let Observable::At(k, what) = observable else { return None };
        let number = |s: usize, d: usize| if s == 0 { monomers - 2 * d as u64 } else { d as u64 } as f64;
        let mean = |s: usize| laws[k].iter().enumerate().map(|(d, p)| p * number(s, d)).sum::<f64>();
        match what {
            Instant::Number(s) => Some(vec![Some(mean(s))]),
            Instant::NumberVariance(s) => {
                let off = |d: usize| number(s, d) - mean(s);
                Some(vec![Some(laws[k].iter().enumerate().map(|(d, p)| p * off(d) * off(d)).sum())])
            }
            Instant::NumberLaw(s) => {
                // Few monomers: a cell of its own for every number, from the least on.
                let most = laws[k].len();
                let of = |cell: usize| {
                    let d = if s == 0 { (most - 1).checked_sub(cell) } else { Some(cell) };
                    d.and_then(|d| laws[k].get(d)).copied().unwrap_or(0.0)
                };
                Some((0..grid.across).map(|cell| Some(of(cell))).collect())
            }
            _ => None,
        }
    };
    compare(sampled.measure(), &grid, ALPHA, &reference)
}

fn describe(name: &str, c: &Comparison) {
    let worst = c.worst.map(|(k, entry, z)| (c.compared[k].measured.observable, entry, z));
    let joint = c.joint.iter().map(|j| j.p_value).fold(1.0, f64::min);
    note(format!(
        "{name}: {} entries, limit {:.1}, worst {worst:?}; {} joint tests, least p {joint:.1e}, limit {:.1e}",
        c.entries,
        c.critical_z,
        c.joint.len(),
        c.critical_p
    ));
}

/// 40 and 41 monomers, 6400 realisations: standard errors of means are 0.03 to 0.05; a monomer that meets itself shifts them by
/// 0.3 or more, six standard errors and more of the joint tests besides.
#[test]
fn numbers_are_those_of_the_master_equation_and_pairs_are_two() {
    for monomers in [40, 41] {
        let experiment = read(&dimers(monomers, BOTH, 6400));
        let sampled = sample(&experiment);
        let laws = by_hand(monomers, false);
        let comparison = against(&sampled, monomers, &laws);
        describe(&format!("{monomers} monomers"), &comparison);
        assert!(comparison.agrees && comparison.entries > 50 && comparison.joint.len() == 8);
        // What is not compared is not proved.
        for k in 0..TIMES.len() {
            for what in [
                Instant::Number(0),
                Instant::Number(1),
                Instant::NumberVariance(0),
                Instant::NumberVariance(1),
            ] {
                let found =
                    comparison.compared.iter().find(|c| c.measured.observable == Observable::At(k, what));
                assert!(found.is_some_and(|c| c.z[0].is_some()), "{k} {what:?}");
            }
        }
        let refused = against(&sampled, monomers, &by_hand(monomers, true));
        describe("n^2 pairs", &refused);
        assert!(!refused.agrees, "a monomer that meets itself goes unnoticed");
        // The theory of the program is the same law.
        let grid = experiment.grid();
        let continuum = Continuum::solve(&experiment).expect("a solution");
        for (k, law) in laws.iter().enumerate() {
            let own = continuum.reference(Observable::At(k, Instant::NumberLaw(1)), &grid).expect("a law");
            for (d, p) in law.iter().enumerate() {
                assert!(own[d].is_some_and(|own| (own - p).abs() < 1e-9), "{k} {d} {:?} {p}", own[d]);
            }
        }
    }
}

/// Realisations of different groups and runs do not depend on how work is dealt to threads.
#[test]
fn the_bits_do_not_depend_on_threads() {
    let experiment = read(&dimers(9, BOTH, 333));
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        let sampled = pool.install(|| sample(&experiment));
        assert_eq!(
            sampled.groups.iter().map(|g| g.realisations.as_ref().map_or(0, |r| r.len())).sum::<usize>(),
            333
        );
        serde_json::to_string(&sampled.groups).expect("plain data")
    };
    assert_eq!(run(1), run(3));
}

/// A run of a file, every number of which must be finite or absent with a reason.
fn runs(text: &str) -> Summary {
    let summary = simulation::run(&read(text), &()).unwrap_or_else(|e| panic!("{e}\n{text}"));
    assert!(summary.invariants.iter().all(|i| i.holds) && summary.checks.as_ref().is_some_and(|c| c.passes));
    for row in summary.quantities.iter().flat_map(|q| &q.rows) {
        match &row.estimate {
            Outcome::Estimate(e) => assert!(e.value.is_finite() && e.std_error.is_finite()),
            Outcome::Null { reason, .. } => assert!(!reason.is_empty()),
        }
        assert!(row.theory.is_none_or(f64::is_finite) && row.fast_limit.is_none_or(f64::is_finite));
    }
    assert!(!soret::report::terminal::page(&summary, 100, false).contains("NaN"));
    summary
}

/// Theory of a single value of the last time.
fn last(summary: &Summary, what: Instant) -> Option<f64> {
    let observable = Observable::At(summary.times().len() - 1, what);
    summary.quantities.iter().find(|q| q.observable == observable).and_then(|q| q.rows[0].theory)
}

#[test]
fn one_particle_none_that_react_and_none_at_all() {
    // A single monomer never finds another.
    let one = runs(&dimers(1, BOTH, 64));
    assert_eq!((one.run.transitions, last(&one, Instant::Number(0))), (0, Some(1.0)));
    // Of three one is left over: their number is 1 or 3.
    let three = read(&dimers(3, BOTH, 640));
    for group in &sample(&three).groups {
        let counts = &group.realisations.as_ref().expect("realisations").counts;
        assert!(counts.chunks(2).all(|c| *c == [3, 0] || *c == [1, 1]));
    }
    // Rates of zero: nothing happens, the theory knows it, and nothing can be compared.
    let closed = runs(&dimers(40, r#""forward": 0, "backward": 0"#, 64));
    assert_eq!((closed.run.transitions, last(&closed, Instant::NumberVariance(1))), (0, Some(0.0)));
    assert!(closed.warnings.iter().any(|w| w.seen.contains("rate of zero")));
    assert_eq!(closed.comparison.and_then(|c| c.agrees), None);
    // One way: in the end all is bound.
    let bound = runs(&dimers(4, r#""forward": 500, "backward": 0"#, 64));
    assert!(last(&bound, Instant::Number(1)).is_some_and(|n| (n - 2.0).abs() < 1e-9));
    // Particles made of nothing have no bound: means are known, and Poisson's law is not missed.
    let made = r#"{ "format_version": 1, "temperature": 1, "species": [ { "name": "A" } ],
        "reactions": [ { "equation": "0 <-> A", "forward": 3, "backward": 1 } ],
        "method": "well_mixed", "measure": { "times": [0.5, 2] },
        "run": { "system_size": 10, "realisations": 6400 } }"#;
    let made = runs(made);
    let expected = 30.0 * (1.0 - (-2.0f64).exp());
    assert!(last(&made, Instant::Number(0)).is_some_and(|n| (n / expected - 1.0).abs() < 1e-6));
    assert!(made.warnings.iter().any(|w| w.seen.contains("no master equation")), "{:?}", made.warnings);
    assert_eq!(made.comparison.and_then(|c| c.agrees), Some(true));
    let observable = Observable::At(1, Instant::NumberVariance(0));
    let variance = made.quantities.iter().find(|q| q.observable == observable).expect("measured");
    let e = *variance.rows[0].estimate.estimate().expect("an estimate");
    // Six standard errors: a false alarm in 5e8, and a variance of 10 % more or less is seen.
    assert!((e.value - expected).abs() < 6.0 * e.std_error && e.std_error < 0.02 * expected, "{e:?}");
}

#[test]
fn several_reactions_have_a_master_equation_too() {
    let catalysis = |forward: f64, enzymes: &str| {
        format!(
            r#"{{ "format_version": 1, "domain": {{ "length": 1 }}, "temperature": "0.75 + 0.5*x",
            "species": [ {{ "name": "E", "concentration": {enzymes}, "content": 0 }}, {{ "name": "S", "concentration": 1 }},
                {{ "name": "ES", "energy": -2 }}, {{ "name": "P", "energy": -1 }} ],
            "reactions": [ {{ "equation": "E + S <-> ES", "forward": {forward}, "prefactor": 4 }},
                {{ "equation": "ES <-> E + P", "forward": 5, "prefactor": 0.5 }} ],
            "method": {{ "well_mixed": {{ "x": 0.5 }} }},
            "run": {{ "system_size": 12, "realisations": 6400, "groups": 64 }},
            "measure": {{ "times": [0.1, 0.5, 2] }} }}"#
        )
    };
    let own = read(&catalysis(10.0, "0.5"));
    let sampled = sample(&own);
    let grid = own.grid();
    let held = |other: &Experiment| {
        let continuum = Continuum::solve(other).expect("a solution");
        compare(sampled.measure(), &grid, ALPHA, &|o| continuum.reference(o, &grid))
    };
    let comparison = held(&own);
    describe("catalysis", &comparison);
    assert!(comparison.agrees && comparison.entries > 70);
    let refused = held(&read(&catalysis(13.0, "0.5")));
    describe("a rate 30 % higher", &refused);
    assert!(!refused.agrees);
    // Many states: the deterministic law stands beside the means, and is not compared.
    let text =
        catalysis(10.0, "0.5").replace("\"system_size\": 12", "\"system_size\": 1200").replace("6400", "64");
    let many = runs(&text);
    assert!(many.warnings.iter().any(|w| w.seen.contains("more than 20000 states")), "{:?}", many.warnings);
    let mean = many
        .quantities
        .iter()
        .find(|q| q.observable == Observable::At(2, Instant::Number(3)))
        .expect("a mean");
    let row = &mean.rows[0];
    let measured = row.estimate.estimate().expect("an estimate").value;
    assert!(
        row.theory.is_none() && row.fast_limit.is_some_and(|n| (n / measured - 1.0).abs() < 0.02),
        "{row:?}"
    );
    assert_eq!(many.comparison.and_then(|c| c.agrees), None);
}

/// Both master equations are the same where one reaction is all there is.
#[test]
fn states_are_extents() {
    let experiment = read(&dimers(15, r#""forward": 2, "backward": 0.7"#, 64));
    let mixture = experiment.model.mixture.as_deref().expect("species");
    let extent = Extent::new(mixture, 0.0, 15.0, &[15, 0]).expect("an extent");
    let states = States::reachable(mixture, 0.0, 15.0, &[15, 0], 100).expect("rates").expect("few states");
    assert_eq!(states.counts().len(), extent.entries());
    assert!(States::reachable(mixture, 0.0, 15.0, &[15, 0], 7).expect("rates").is_none());
    for time in [0.0, 0.01, 0.3, 20.0] {
        let law = extent.after(&extent.start(), time, 1e-13).expect("a law").probabilities;
        let other = states.after(&states.start(), time).expect("a law");
        for (i, p) in law.iter().enumerate() {
            let same =
                states.counts().iter().position(|c| *c == extent.counts_at(i)).expect("the same counts");
            assert!((other[same] - p).abs() < 1e-12, "{time} {i}");
        }
    }
    assert!(states.after(&states.start(), -1.0).is_err() && states.after(&states.start(), 1e12).is_err());
}

#[test]
fn the_place_is_that_of_the_rates() {
    let text = dimers(40, r#""forward": "T", "ratio": "exp(2 - 2/T)""#, 640)
        .replace("\"temperature\": 1,", "\"domain\": { \"length\": 2 }, \"temperature\": \"1 + x\",");
    let at =
        |x: &str| read(&text.replace("\"well_mixed\"", &format!("{{ \"well_mixed\": {{ \"x\": {x} }} }}")));
    let (cold, hot) = (at("0"), at("2"));
    assert_eq!(hot.method, Method::WellMixed { x: 2.0 });
    assert_eq!(hot.counts(), [80, 0]);
    let mean = |e: &Experiment| {
        let law = Continuum::solve(e).expect("a solution");
        law.reference(Observable::At(3, Instant::Number(0)), &e.grid()).and_then(|v| v[0]).expect("a mean")
    };
    // K = 1 and exp(4/3): about 40 and 54 of 80 monomers stay free.
    assert!(mean(&cold) < 41.0 && mean(&hot) > 50.0, "{} {}", mean(&cold), mean(&hot));
    let canonical = hot.canonical();
    assert!(
        canonical["species"][0].get("diffusivity").is_none() && canonical["run"].get("burn_in").is_none()
    );
    assert_eq!(read(&canonical.to_string()).canonical(), canonical);
    let conventions = simulation::conventions(&hot).join("\n");
    assert!(conventions.contains("the temperature 3, that of x = 2"), "{conventions}");
}

#[test]
fn mistakes_are_told() {
    let good = dimers(40, BOTH, 640);
    let told = |from: &str, to: &str, words: &[&str]| {
        assert!(good.contains(from), "{from}");
        match Experiment::from_str("t", "t.json", &good.replacen(from, to, 1)) {
            Err(Error::Input(diagnostics)) => {
                let text = diagnostics.render(false);
                words.iter().for_each(|w| assert!(text.contains(w), "{w} not in\n{text}"));
            }
            other => panic!("{to}: {:?}", other.map(|e| e.canonical())),
        }
    };
    told(
        r#""times": [0.1, 0.4, 1, 3]"#,
        "",
        &["well_mixed without times of observation", "the last of them ends the run"],
    );
    told(r#""seed": 3"#, r#""duration": 3"#, &["`duration` stands beside `times`"]);
    told(r#""seed": 3"#, r#""burn_in": 3"#, &["`burn_in` of a well-mixed volume"]);
    told(r#""seed": 3"#, r#""particles": 64"#, &["`particles` stands beside `species`"]);
    told(r#""realisations": 640"#, r#""realisations": 40"#, &["more groups than realisations", "64"]);
    told(r#""realisations": 640"#, r#""realisations": 0.5"#, &["realisations"]);
    told(r#""system_size": 40, "#, "", &["\"system_size\" is missing"]);
    told(r#""temperature": 1"#, r#""temperature": "1 + x", "units": 3"#, &["units"]);
    told(r#""backward": 1"#, r#""backward": "1 + x""#, &["rates vary with x", "a place"]);
    told(r#""well_mixed""#, r#"{ "well_mixed": { "x": 1.5 } }"#, &["outside the domain", "from 0 to 1"]);
    told(r#""well_mixed""#, r#"{ "well_mixed": { "dt": 1 } }"#, &["unknown key \"dt\""]);
    told(
        r#""well_mixed""#,
        r#""pairs""#,
        &["neither \"diffusivity\" nor \"friction\"", "\"domain\" is missing", "`realisations` without"],
    );
    told(
        r#""method": "well_mixed","#,
        r#""method": "well_mixed", "motion": "underdamped","#,
        &["with inertia"],
    );
    // All at once.
    told(
        r#""realisations": 640, "groups": 64"#,
        r#""realisations": 40, "groups": 64, "burn_in": 1, "until": {}"#,
        &[
            "more groups than realisations",
            "`burn_in` of a well-mixed volume",
            "`until` stands beside `species`",
        ],
    );
    let walkers = r#"{ "format_version": 1, "temperature": 1, "diffusivity": 1,
        "run": { "particles": 64, "duration": 1, "realisations": 99 }, "method": "well_mixed" }"#;
    let error = Experiment::from_str("t", "t.json", walkers).expect_err("three mistakes").to_string();
    for words in [
        "\"domain\" is missing",
        "method of particles that react",
        "`realisations` without a well-mixed volume",
    ] {
        assert!(error.contains(words), "{error}");
    }
}
