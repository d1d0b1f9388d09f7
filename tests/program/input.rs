//! Experiment files from a user's side: what is accepted, and what is said about what is not.
//!
//! `tests/input/good/*.json` must be read. Beside every `tests/input/bad/NAME.json` stands
//! `NAME.expected` with one line per mistake, in file order: `line:column: fragment | fragment ...`,
//! all of which must occur in what is said about that mistake. No other mistake may be reported.

use soret::error::Error;
use soret::experiment::{Diagnostics, Experiment, MAX_BYTES, Method, Motion, Setting};
use soret::kernel::Span;
use soret::kernel::start::Start;
use soret::model::{Boundary, EnergyUnit, Motility, Range, RateLaw, Response, Units};
use soret::report::summary::Summary;
use soret::simulation;
use std::fs;
use std::path::{Path, PathBuf};

fn folder(name: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/input").join(name);
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .collect();
    files.sort();
    files
}

fn read(text: &str) -> Result<Experiment, Diagnostics> {
    match Experiment::from_str("test", "test.json", text) {
        Ok(experiment) => Ok(experiment),
        Err(Error::Input(diagnostics)) => {
            assert!(!diagnostics.list.is_empty());
            Err(diagnostics)
        }
        Err(other) => panic!("not a mistake of the file: {other}"),
    }
}

/// The same for a file, which may name others beside it.
fn read_file(path: &Path) -> Result<Experiment, Diagnostics> {
    match Experiment::read(path) {
        Ok(experiment) => Ok(experiment),
        Err(Error::Input(diagnostics)) => Err(diagnostics),
        Err(other) => panic!("{}: not a mistake of the file: {other}", path.display()),
    }
}

/// What mistakes have against what is expected; nothing when all is as expected.
fn complaint(answer: Result<Experiment, Diagnostics>, expected: &str) -> Option<String> {
    let Err(diagnostics) = answer else {
        return Some("the file is accepted".to_owned());
    };
    let said: Vec<String> = diagnostics.lines().collect();
    let expected: Vec<&str> = expected.lines().filter(|l| !l.trim().is_empty()).collect();
    let fits = said.len() == expected.len()
        && said.iter().zip(&expected).all(|(said, expected)| {
            let (place, fragments) =
                expected.split_once(": ").expect("an expectation is `line:column: fragments`");
            said.starts_with(&format!("{}:{place}: ", diagnostics.file))
                && fragments.split(" | ").all(|fragment| said.contains(fragment.trim()))
        });
    (!fits).then(|| format!("expected\n  {}\nbut said\n  {}", expected.join("\n  "), said.join("\n  ")))
}

#[test]
fn bad_files_are_told_what_is_wrong() {
    let files = folder("bad");
    assert!(files.len() >= 130, "only {} bad files", files.len());
    let mut failures = Vec::new();
    for path in files {
        let expected = fs::read_to_string(path.with_extension("expected"))
            .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        if let Some(complaint) = complaint(read_file(&path), &expected) {
            failures.push(format!("{}: {complaint}", path.display()));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn good_files_are_read() {
    let files = folder("good");
    assert!(files.len() >= 20, "only {} good files", files.len());
    let experiments = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
    let ours = fs::read_dir(experiments)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "json"));
    for path in files.into_iter().chain(ours) {
        let experiment = match Experiment::read(&path) {
            Ok(experiment) => experiment,
            Err(error) => panic!("{}:\n{error}", path.display()),
        };
        assert_eq!(Some(experiment.name.as_str()), path.file_stem().unwrap().to_str());

        // The canonical form is a file of the same experiment, and a fixed point.
        let canonical = experiment.canonical();
        let again = read(&serde_json::to_string_pretty(&canonical).unwrap());
        let again = again.unwrap_or_else(|d| panic!("{}:\n{}", path.display(), d.render(false)));
        assert_eq!(again.canonical(), canonical, "{}", path.display());
        same_equations(&again, &experiment);
        assert_eq!(again.run, experiment.run);
    }
}

/// Both files mean the same functions of position.
fn same_equations(a: &Experiment, b: &Experiment) {
    assert_eq!(a.model.domain, b.model.domain);
    let (states, channels) = (a.model.network.states().len(), 2 * a.model.network.edges().len());
    assert_eq!(states, b.model.network.states().len());
    assert_eq!(channels, 2 * b.model.network.edges().len());
    for i in 0..=64 {
        let x = a.model.domain.length * f64::from(i) / 64.0;
        assert_eq!(a.model.thermal_energy(x), b.model.thermal_energy(x));
        for s in 0..states {
            let axes = a.model.coordinates.as_ref().map_or(0, |c| c.axes.len());
            for q in [0.1, 0.7].map(|q| vec![q; axes]) {
                let within =
                    |e: &Experiment| [e.model.energy_within(s, x, &q), e.model.diffusivity_within(s, x, &q)];
                assert_eq!(within(a), within(b));
            }
            assert_eq!(a.model.diffusivity(s, x), b.model.diffusivity(s, x));
            assert_eq!(a.model.resistance(s, x), b.model.resistance(s, x));
        }
        for c in 0..channels {
            let rate = |e: &Experiment| e.model.rate(e.model.network.channel(c), x);
            let heat = |e: &Experiment| e.model.exchange(e.model.network.channel(c), x);
            assert_eq!(rate(a), rate(b));
            assert_eq!(heat(a), heat(b));
        }
    }
}

#[test]
fn coordinates_mean_what_they_say() {
    let path = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/input/good").join(name);
    let e = Experiment::read(&path("coordinate_all.json")).unwrap();
    let axes = &e.model.coordinates.as_ref().unwrap().axes;
    let pi = std::f64::consts::PI;
    let expected = [
        ("q", Response::Mobility(4.0), Range::Unbounded),
        ("angle", Response::Diffusivity(0.5), Range::Periodic([0.0, 2.0 * pi])),
        ("r", Response::Mobility(1.0), Range::Walls([0.0, 1.0])),
    ];
    let found: Vec<_> = axes.iter().map(|a| (a.name.as_str(), a.response, a.range)).collect();
    assert_eq!(found, expected);
    // U = 2 q^2 + x q + cos(angle), D = T (U + 9) + r at T = 0.75.
    let q = [0.3, 1.0, 0.25];
    let energy = 2.0 * 0.09 + 0.5 * 0.3 + 1.0_f64.cos();
    assert!((e.model.energy_within(0, 0.5, &q) - energy).abs() < 1e-14);
    assert!((e.model.diffusivity_within(0, 0.5, &q) - (0.75 * (energy + 9.0) + 0.25)).abs() < 1e-13);
    // The box is where the potential leaves the coordinate, or its range: 2 (q + 1/4)^2 = 40 kT at the hot wall.
    let ends = &e.reach.as_ref().unwrap().ends;
    assert_eq!(ends[1..], [[0.0, 2.0 * pi], [0.0, 1.0]]);
    let half = 20.0_f64.sqrt();
    assert!((ends[0][0] + 0.25 + half).abs() < 0.01 && (ends[0][1] + 0.25 - half).abs() < 0.01, "{ends:?}");

    // Own potentials add, own diffusivities stand in place, and U is the potential that all have in common.
    let e = Experiment::read(&path("coordinate_states_in_common.json")).unwrap();
    let (common, q) = (0.5_f64.powi(4) - 0.5, [0.5]);
    let energies = [0, 1].map(|s| e.model.energy_within(s, 0.2, &q));
    assert_eq!(energies, [1.0 + common, common + 0.25]);
    let diffusivities = [0, 1].map(|s| e.model.diffusivity_within(s, 0.2, &q));
    assert_eq!(diffusivities, [1.0, 0.6 * (common + 2.0)]);

    // The step is the kernel's, to two digits, and is told.
    let e = Experiment::read(&path("coordinate_least.json")).unwrap();
    let Method::Midpoint { dt } = e.method else { panic!("{:?}", e.method) };
    let step = soret::kernel::automatic_step(&e.model);
    assert!(dt <= step && dt > 0.9 * step, "{dt} {step}");
    assert!(e.warnings().iter().any(|w| w.meaning.contains(&format!("dt = {dt}"))));
    let words = simulation::conventions(&e).join("\n");
    assert!(words.contains("J_q = -mu (P d_q U + kT d_q P) with the mobility mu = 1"), "{words}");
}

#[test]
fn the_walkers_notice_when_something_is_wrong() {
    // Negative control: a good file among the bad ones, a wrong place, a wrong word, and a mistake
    // too many are all noticed.
    assert!(complaint(read_file(&folder("good")[0]), "1:1: anything").is_some());
    let bad = &folder("bad")[0];
    let expected = fs::read_to_string(bad.with_extension("expected")).unwrap();
    let against = |expected: &str| complaint(read_file(bad), expected);
    assert_eq!(against(&expected), None);
    assert!(against(&format!("9{expected}")).is_some());
    assert!(against(&format!("{} | zebra", expected.trim())).is_some());
    assert!(against(&format!("{}\n1:1: more", expected.trim())).is_some());
    assert!(against("").is_some());
}

/// The diffusivity of a state, where it is given as a constant one.
fn diffusivity(e: &Experiment, state: usize) -> Option<f64> {
    match &e.model.network.states()[state].motility {
        Motility::Diffusivity(field) => field.constant(),
        Motility::Friction(_) => None,
    }
}

#[test]
fn defaults_and_values_are_what_the_file_says() {
    let least = r#"{"format_version": 1, "domain": {"length": 2}, "temperature": "1 + x",
        "diffusivity": "3", "run": {"particles": 1e5, "legs": 1e4}}"#;
    let e = read(least).unwrap_or_else(|d| panic!("{d}"));
    assert_eq!((e.title.as_str(), e.claim.as_str(), e.notes.as_str()), ("", "", ""));
    assert_eq!(e.model.domain.length, 2.0);
    assert_eq!(e.model.temperature.value(0.5), 1.5);
    assert_eq!(e.model.network.states().len(), 1);
    assert_eq!(diffusivity(&e, 0), Some(3.0));
    assert_eq!((e.units, e.model.boltzmann), (Units::Reduced, 1.0));
    assert!(e.model.network.edges().is_empty() && e.transitions.is_empty());
    assert_eq!((e.motion, e.method), (Motion::Overdamped, Method::Exact {}));
    assert_eq!((e.run.particles, e.run.groups, e.run.rounds), (100_000, 64, 20));
    assert_eq!((e.run.span, e.run.burn_in), (Span::Legs(10_000), None));
    assert_eq!((e.run.start, e.run.seed), (Start::LocalEquilibrium, 1));
    assert_eq!(e.measure.bins, 50);

    let more = r#"{"format_version": 1.0, "title": "T", "claim": "C", "notes": "N",
        "parameters": {"a": 2, "b": "a^2", "notes": "powers"},
        "domain": {"length": "b", "walls": "reflecting"}, "temperature": 1.5,
        "states": [{"name": "A", "energy": "-a", "diffusivity": "1/b"}, {"name": "B", "diffusivity": 2}],
        "transitions": [{"between": ["A", "B"], "attempt_rate": "b", "barrier": "a + b", "name": "hop"},
            {"between": ["B", "A"], "attempt_rate": 0, "barrier": 0},
            {"between": ["B", "A"], "attempt_rate": 0, "barrier": 0}],
        "motion": {"overdamped": {"notes": "n"}, "notes": "m"}, "method": "exact",
        "run": {"particles": 40, "duration": 7.5, "burn_in": 2.5, "rounds": 3, "start": "uniform",
            "seed": 18446744073709551615},
        "measure": {"bins": 2}}"#;
    let e = read(more).unwrap_or_else(|d| panic!("{d}"));
    assert_eq!((e.title.as_str(), e.claim.as_str(), e.notes.as_str()), ("T", "C", "N"));
    assert_eq!(e.parameters, [("a".to_owned(), 2.0), ("b".to_owned(), 4.0)]);
    assert_eq!(e.model.domain.length, 4.0);
    let states = e.model.network.states();
    assert_eq!((states[0].energy, states[0].entropy, diffusivity(&e, 0)), (-2.0, 0.0, Some(0.25)));
    assert_eq!((states[1].energy, states[1].entropy, diffusivity(&e, 1)), (0.0, 0.0, Some(2.0)));
    let edge = &e.model.network.edges()[0];
    assert_eq!(edge.between, [0, 1]);
    let RateLaw::Activated { attempt_rate, barrier, affinity } = edge.law else { panic!("{edge:?}") };
    assert_eq!((attempt_rate, barrier, affinity), (4.0, 6.0, 0.0));
    let names: Vec<&str> = e.transitions.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(names, ["hop", "B-A", "B-A (2)"]);
    assert_eq!((e.run.particles, e.run.groups, e.run.rounds), (40, 40, 3));
    assert_eq!((e.run.span, e.run.burn_in), (Span::Duration(7.5), Some(Span::Duration(2.5))));
    assert_eq!((e.run.start, e.run.seed), (Start::Uniform, u64::MAX));
}

#[test]
fn transitions_have_different_names() {
    let long = ["l".repeat(64), "m".repeat(64)];
    let text = format!(
        r#"{{"format_version": 1, "domain": {{"length": 1}}, "temperature": 1,
        "states": [{{"name": "{0}", "diffusivity": 1}}, {{"name": "{1}", "diffusivity": 1}}],
        "transitions": [
            {{"between": ["{0}", "{1}"], "attempt_rate": 1, "barrier": 0}},
            {{"between": ["{0}", "{1}"], "attempt_rate": 1, "barrier": 0}},
            {{"between": ["{0}", "{1}"], "attempt_rate": 1, "barrier": 0, "name": "{0}-{1} (2)"}}],
        "run": {{"particles": 64, "legs": 1}}}}"#,
        long[0], long[1]
    );
    let e = read(&text).unwrap_or_else(|d| panic!("{d}"));
    let plain = format!("{}-{}", long[0], long[1]);
    let names: Vec<&str> = e.transitions.iter().map(|t| t.name.as_str()).collect();
    let expected = [plain.clone(), format!("{plain} (3)"), format!("{plain} (2)")];
    assert_eq!(names, expected);
    assert!(read(&e.canonical().to_string()).is_ok());
}

#[test]
fn all_mistakes_are_shown_at_once() {
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/input/bad/many_mistakes.json"))
            .unwrap();
    let diagnostics = read(&text).unwrap_err();
    assert!(diagnostics.list.len() >= 12, "{diagnostics}");
    let order: Vec<usize> = diagnostics.list.iter().map(|d| d.span.start).collect();
    assert!(order.is_sorted());
    let plain = diagnostics.render(false);
    assert!(!plain.contains('\u{1b}'));
    for (d, line) in diagnostics.list.iter().zip(diagnostics.lines()) {
        assert!(plain.contains(&d.title));
        assert!(plain.contains(line.split(": ").next().unwrap()), "{line}");
    }
    assert!(plain.contains("^^^"));
    assert!(diagnostics.render(true).contains('\u{1b}'));
}

#[test]
fn too_many_mistakes_are_counted() {
    let keys: Vec<String> = (0..1000).map(|i| format!("\"k{i}\": 0")).collect();
    let diagnostics = read(&format!("{{{}}}", keys.join(","))).unwrap_err();
    assert_eq!(diagnostics.list.len(), Diagnostics::MOST);
    assert_eq!(diagnostics.list.len() + diagnostics.omitted, 1000 + 5);
    let rendered = diagnostics.render(false);
    assert!(rendered.contains("1005 mistakes in test.json, the first 100 shown"));
}

#[test]
fn bombs_are_refused() {
    for open in ["[", "{\"a\":", "{\"states\":["] {
        let diagnostics = read(&open.repeat(300_000)).unwrap_err();
        assert!(diagnostics.list[0].title.contains("nested too deeply"));
        assert!(diagnostics.render(false).len() < 10_000);
    }
    let diagnostics = read(&" ".repeat(MAX_BYTES + 1)).unwrap_err();
    assert!(diagnostics.list[0].title.contains("too large"));
    diagnostics.render(false);
    let many = format!("{{\"states\": [{}]}}", vec!["{}"; 100_000].join(","));
    let diagnostics = read(&many).unwrap_err();
    assert!(diagnostics.render(false).contains("too many entries"));
    let deep = format!(
        r#"{{"format_version": 1, "domain": {{"length": 1}}, "temperature": "{}",
        "diffusivity": 1, "run": {{"particles": 64, "legs": 1}}}}"#,
        "(".repeat(4000)
    );
    read(&deep).unwrap_err().render(false);
    read(&deep.replace('(', "(".repeat(100).as_str())).unwrap_err();
}

#[test]
fn files_that_cannot_be_read_are_told_apart() {
    let missing = Experiment::read(Path::new("no/such/file.json")).unwrap_err();
    assert!(matches!(missing, Error::Io { .. }));
    assert_eq!(missing.exit_code(), 1);
    assert!(missing.to_string().contains("no/such/file.json"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("latin1.json");
    fs::write(&path, b"{\n  \"title\": \"caf\xe9\"\n}").unwrap();
    let Err(error @ Error::Input(_)) = Experiment::read(&path) else {
        panic!("accepted");
    };
    assert_eq!(error.exit_code(), 3);
    assert!(error.to_string().contains("latin1.json:2:16: the file is not UTF-8 text"), "{error}");
    let path = folder.path().join("large.json");
    fs::write(&path, vec![b' '; MAX_BYTES + 10]).unwrap();
    let error = Experiment::read(&path).unwrap_err();
    assert!(error.to_string().contains("the file is too large"), "{error}");
}

#[test]
fn every_beginning_of_a_file_is_refused_in_words() {
    for path in folder("good") {
        let text = fs::read_to_string(&path).unwrap();
        let text = text.trim_end();
        for (end, _) in text.char_indices() {
            let diagnostics = read(&text[..end]).unwrap_err();
            assert_eq!(diagnostics.list.len(), 1, "{}", &text[..end]);
            let line = diagnostics.lines().next().unwrap();
            assert!(!line.contains('\n'), "{line}");
            assert!(diagnostics.render(false).contains(&diagnostics.list[0].title));
        }
    }
}

/// Small generator for the fuzz test; its quality does not matter, its repeatability does.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n.max(1)
    }
}

/// Mutated copies of all good and bad files: the answer may be anything but a panic.
/// `SORET_FUZZ` sets how many (20 000 by default).
#[test]
fn mutated_files_never_panic() {
    let rounds: usize = std::env::var("SORET_FUZZ").ok().and_then(|n| n.parse().ok()).unwrap_or(20_000);
    let texts = |name| -> Vec<String> {
        let read = |path| fs::read_to_string(path).unwrap();
        folder(name).into_iter().map(read).collect()
    };
    let seeds = [texts("good"), texts("good"), texts("bad")];
    const PIECES: [&str; 52] = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "\\u",
        "\\ud83d",
        "\\udc00",
        "\"x\"",
        "0",
        "-1",
        "1e999",
        "1e-999",
        "-0",
        "1e5",
        "0.5",
        "null",
        "true",
        "\"1/x\"",
        "\"exp(1000*x)\"",
        "\"x^x^x\"",
        "\"ln(x)\"",
        "é",
        "😀",
        "\u{0}",
        "\u{feff}",
        "\n",
        " ",
        "\"notes\"",
        "\"legs\"",
        "9007199254740993",
        "\"dT\"",
        "//",
        "\"x\": 1,",
        "[[0, 1], [1, 2]]",
        "[0.5]",
        "{ \"steps\": { \"at\": [0.5], \"values\": [1, 2] } }",
        "{ \"table\": { \"file\": \"/dev/zero\" } }",
        "\"rate\": { \"forward\": \"x\" },",
        "\"friction\"",
        "\"T*x\"",
        "\"step(T - 1.4)\"",
        "\"abs(x - 0.5)\"",
        "\"potential\": \"abs(x - 0.5)\",",
        "\"drift\": \"x*T\",",
        "\"walls\": \"periodic\",",
        "\"start\": { \"point\": 0.5 },",
        "5e-324",
        "1e308",
    ];
    let mut random = Random(0x9e3779b97f4a7c15);
    let (mut good, mut bad) = (0, 0);
    for round in 0..rounds {
        let seeds = &seeds[random.below(seeds.len())];
        let mut chars: Vec<char> = seeds[random.below(seeds.len())].chars().collect();
        for _ in 0..=random.below(4) {
            let at = random.below(chars.len() + 1);
            let to = (at + random.below(12)).min(chars.len());
            let piece = PIECES[random.below(PIECES.len())].chars();
            match random.below(6) {
                0 => drop(chars.drain(at..to)),
                1 => drop(chars.splice(at..at, piece)),
                2 => drop(chars.splice(at..to, piece)),
                3 => {
                    let copy: Vec<char> = chars[at..to].to_vec();
                    let other = random.below(chars.len() + 1);
                    drop(chars.splice(other..other, copy));
                }
                4 if at < chars.len() => {
                    chars[at] = char::from(32 + random.below(95) as u8);
                }
                _ => {
                    // Exchange a value between two places that hold digits.
                    if let Some(i) = chars[at.min(chars.len())..].iter().position(char::is_ascii_digit) {
                        let digit = char::from(b'0' + random.below(10) as u8);
                        chars[at + i] = digit;
                    }
                }
            }
        }
        let text: String = chars.into_iter().collect();
        match read(&text) {
            Ok(experiment) => {
                good += 1;
                // What is accepted keeps its promises.
                let model = &experiment.model;
                for i in 0..=16 {
                    let x = model.domain.length * f64::from(i) / 16.0;
                    assert!(model.temperature.value(x) > 0.0, "{text}");
                    for channel in model.network.channels() {
                        let rate = model.rate(channel, x);
                        assert!(rate >= 0.0 && rate.is_finite(), "{text}");
                    }
                    for state in model.network.states() {
                        let value = state.motility.parts().1.value(x);
                        assert!(value > 0.0 || (state.mass.is_some() && value == 0.0), "{text}");
                    }
                }
                let canonical = experiment.canonical().to_string();
                assert!(read(&canonical).is_ok(), "{text}\n{canonical}");
            }
            Err(diagnostics) => {
                bad += 1;
                for d in &diagnostics.list {
                    assert!(d.span.start <= d.span.end && d.span.end <= text.len() + 1);
                }
                if round % 16 == 0 {
                    diagnostics.render(round % 32 == 0);
                    assert!(!diagnostics.to_string().is_empty());
                }
            }
        }
    }
    assert!(good > rounds / 50 && bad > rounds / 2, "{good} good, {bad} bad");
}

const TWO_STATES: &str = r#"{
  "format_version": 1,
  "domain": { "length": 1.0 },
  "temperature": "300 + 60*x",
  "states": [
    { "name": "excited", "energy": 2.5, "entropy": 0.5, "diffusivity": 1e-2 },
    { "name": "ground", "friction": 1000 }
  ],
  "transitions": [
    { "between": ["excited", "ground"], "attempt_rate": 1.0, "barrier": 4, "affinity": 0.5 },
    { "between": ["excited", "ground"], "rate": { "forward": "0.1*exp(-300/T)", "backward": 0.02 } }
  ],
  "units": { "temperature": "K", "energy": "kJ/mol" },
  "run": { "particles": 64, "legs": 100 }
}"#;

/// The same in reduced units: the temperature is `kT` in kJ/mol.
fn reduced(kelvin: &str) -> String {
    let boltzmann = EnergyUnit::KilojoulePerMole.boltzmann();
    kelvin
        .replace(r#""units": { "temperature": "K", "energy": "kJ/mol" },"#, "")
        .replace("300 + 60*x", "k*(300 + 60*x)")
        .replace("exp(-300/T)", "exp(-300*k/T)")
        .replacen('{', &format!("{{ \"parameters\": {{ \"k\": {boltzmann} }},"), 1)
}

#[test]
fn unit_systems_describe_the_same_physics() {
    let kelvin = read(TWO_STATES).unwrap_or_else(|d| panic!("{d}"));
    let reduced = read(&reduced(TWO_STATES)).unwrap_or_else(|d| panic!("{d}"));
    let boltzmann = kelvin.model.boltzmann;
    assert_eq!(kelvin.units, Units::Kelvin(EnergyUnit::KilojoulePerMole));
    assert!((boltzmann - 8.314462618e-3).abs() < 1e-11);
    let near = |a: f64, b: f64, what: &str| {
        assert!((a - b).abs() <= 1e-13 * a.abs().max(b.abs()), "{what}: {a} {b}");
    };
    for i in 0..=32 {
        let x = f64::from(i) / 32.0;
        near(kelvin.model.thermal_energy(x), reduced.model.thermal_energy(x), "kT");
        for channel in kelvin.model.network.channels() {
            near(kelvin.model.rate(channel, x), reduced.model.rate(channel, x), "rate");
            let heat = |e: &Experiment| e.model.exchange(channel, x).unwrap().heat;
            near(heat(&kelvin), heat(&reduced), "heat");
        }
        for state in 0..2 {
            near(kelvin.model.diffusivity(state, x), reduced.model.diffusivity(state, x), "diffusivity");
        }
    }
    // The continuum solutions differ by rounding, and what is per temperature by k_B.
    let [a, b] = [&kelvin, &reduced].map(|e| simulation::theory_only(e).unwrap());
    let mut compared = 0;
    for (of_a, of_b) in a.quantities.iter().zip(&b.quantities) {
        assert_eq!(of_a.name, of_b.name);
        let factor = match of_b.unit.as_str() {
            "1/temperature" => 1.0 / boltzmann,
            "temperature" => boltzmann,
            _ => 1.0,
        };
        let scale = of_b.rows.iter().filter_map(|r| r.theory).fold(0.0, |m: f64, v| m.max(v.abs()));
        for (row_a, row_b) in of_a.rows.iter().zip(&of_b.rows) {
            let (Some(a), Some(b)) = (row_a.theory, row_b.theory) else {
                assert_eq!(row_a.theory, row_b.theory);
                continue;
            };
            compared += 1;
            let differ = (a * factor - b).abs();
            assert!(differ <= 1e-7 * scale, "{}: {} {b}", of_a.name, a * factor);
        }
    }
    assert!(compared > 300, "{compared}");
    let unit = |s: &Summary, name: &str| s.quantities.iter().find(|q| q.name == name).unwrap().unit.clone();
    assert_eq!([unit(&a, "soret"), unit(&a, "heat_current")], ["1/K", "kJ/mol per time"]);
    assert_eq!([unit(&b, "soret"), unit(&b, "heat_current")], ["1/temperature", "energy/time"]);
    assert!(a.conventions[0].contains("kJ/mol") && b.conventions[0].contains("k_B = 1"));
    assert!(
        a.conventions.iter().any(|c| c.contains("Ito"))
            && a.conventions.iter().any(|c| c.contains("kinetic"))
    );
}

#[test]
fn ito_diffusivities_with_different_shapes_are_warned_about() {
    let warned = |first: &str, second: &str| {
        let text = TWO_STATES
            .replace("\"diffusivity\": 1e-2", &format!("\"diffusivity\": {first}"))
            .replace("\"friction\": 1000", second);
        let e = read(&text).unwrap_or_else(|d| panic!("{d}"));
        e.warnings().first().map(|w| w.seen.clone())
    };
    // The same shape, or none, or a dependence on T alone: no currents at uniform temperature.
    assert_eq!(warned("\"1 + x\"", "\"diffusivity\": \"0.1*(1 + x)\""), None);
    assert_eq!(warned("\"T*(1 + x)^2\"", "\"diffusivity\": \"3*T*(1 + x)^2\""), None);
    assert_eq!(warned("\"exp(-100/T)\"", "\"diffusivity\": \"exp(-200/T)\""), None);
    assert_eq!(warned("1", "\"friction\": \"1 + x\""), None);
    for (first, second) in [
        ("\"1 + x\"", "\"diffusivity\": 0.1"),
        ("1", "\"diffusivity\": \"0.1*(1 + x)\""),
        ("\"T\"", "\"diffusivity\": \"T*(1 + x)\""),
        ("\"1 + x\"", "\"friction\": 1"),
    ] {
        let seen = warned(first, second).unwrap_or_else(|| panic!("{first} {second}"));
        assert!(seen.contains("by a factor of 2"), "{seen}");
    }
    // Summaries carry it, also those of the theory alone.
    let text = TWO_STATES.replace("1e-2", "\"1 + x\"");
    let summary = simulation::theory_only(&read(&text).unwrap()).unwrap();
    assert!(summary.warnings[0].meaning.contains("uniform temperature"));
}

/// A file of one or two states with these lines at the top.
fn forced(top: &str, states: &str, run: &str) -> String {
    let transitions = if states.contains("\"B\"") {
        r#""transitions": [{ "between": ["A", "B"], "attempt_rate": 10, "barrier": 1.5 }],"#
    } else {
        ""
    };
    format!(r#"{{ "format_version": 1, {top} {states}, {transitions} "run": {{ "particles": 64, {run} }} }}"#)
}

const WALLS: &str = r#""domain": { "length": 2 }, "temperature": "0.5 + 0.1*x","#;
const RING: &str = r#""domain": { "length": 2, "walls": "periodic" }, "temperature": "0.5 + 0.1*sin(pi*x)","#;

#[test]
fn forces_are_what_the_file_says() {
    let top =
        format!("{WALLS} \"parameters\": {{ \"k\": 3 }}, \"potential\": \"k*x\", \"method\": \"exact\",");
    let states = r#""states": [{ "name": "A", "energy": 1, "diffusivity": 0.1, "potential": "x^2" },
        { "name": "B", "diffusivity": "0.2*T", "drift": "-T*x", "potential": 0.25 }]"#;
    let e = read(&forced(&top, states, "\"legs\": 10")).unwrap_or_else(|d| panic!("{d}"));
    let (x, kt) = (1.5, 0.65);
    assert!((e.model.energy(0, x) - (1.0 + 4.5 + 2.25)).abs() < 1e-14);
    assert!((e.model.energy(1, x) - (4.5 + 0.25)).abs() < 1e-14);
    assert!((e.model.force_over_thermal_energy(0, x) + (3.0 + 3.0) / kt).abs() < 1e-13);
    let b = -3.0 / kt - kt * x / (0.2 * kt);
    assert!((e.model.force_over_thermal_energy(1, x) - b).abs() < 1e-12);
    // Its own potential moves the rate of leaving a state and the heat; the common one does not.
    let channel = e.model.network.channel(0);
    let rate = 10.0 * libm::exp((1.0 + 2.25 - 1.5) / kt);
    assert!((e.model.rate(channel, x) / rate - 1.0).abs() < 1e-13);
    let heat = e.model.exchange(channel, x).unwrap().heat;
    assert!((heat - (0.25 - 1.0 - 2.25)).abs() < 1e-13);
    // A particle without states has them at the top.
    let top = format!("{RING} \"potential\": \"sin(pi*x)\", \"drift\": -0.5,");
    let e = read(&forced(&top, "\"diffusivity\": 0.1", "\"duration\": 10")).unwrap_or_else(|d| panic!("{d}"));
    assert_eq!(e.model.domain.walls, Boundary::Periodic);
    assert!((e.model.ito_drift(0, 0.0) + 0.5 + 0.1 * std::f64::consts::PI / 0.5).abs() < 1e-13);
    let conventions = simulation::conventions(&e).join("; ");
    assert!(
        conventions.contains("J_i = -d_x(D_i P_i) - (D_i/kT) P_i d_x(U + U_i) + v_i P_i"),
        "{conventions}"
    );
    assert!(conventions.contains("ring"), "{conventions}");
}

#[test]
fn starts_and_times_are_what_the_file_says() {
    let states = r#""states": [{ "name": "A", "diffusivity": 0.1 }, { "name": "B", "diffusivity": 0.2 }]"#;
    let start = |start: &str| {
        let run = format!("\"legs\": 10, \"start\": {start}");
        read(&forced(WALLS, states, &run)).unwrap_or_else(|d| panic!("{d}")).run.start
    };
    assert_eq!(start("\"uniform\""), Start::Uniform);
    assert_eq!(start("{ \"point\": \"1/4\" }"), Start::Point { x: 0.25, state: None });
    assert_eq!(start("{ \"point\": 0, \"state\": \"B\" }"), Start::Point { x: 0.0, state: Some(1) });
    let Start::Profile { law, density, state } = start("{ \"profile\": \"x*T\", \"state\": \"A\" }") else {
        panic!("a profile");
    };
    assert_eq!((law.as_str(), state), ("x*T", Some(0)));
    let middle = density[density.len() / 2] / density[density.len() - 1];
    assert!((middle - 0.6 / 1.4).abs() < 1e-3, "{middle}");

    let timed = |measure: &str, run: &str| {
        let top = format!("{WALLS} \"measure\": {{ {measure} }},");
        read(&forced(&top, states, run)).unwrap_or_else(|d| panic!("{d}"))
    };
    let e = timed("\"times\": [0.5, 2, 7]", "\"seed\": 2");
    assert_eq!(e.measure.times, [0.5, 2.0, 7.0]);
    assert_eq!((e.run.span, e.run.burn_in), (Span::Duration(7.0), Some(Span::Duration(0.0))));
    assert!(e.canonical()["run"].get("duration").is_none());
    let e = timed(r#""times": { "from": 0.01, "to": 100, "n": 5, "log": true }"#, "\"burn_in\": 3");
    let expected = [0.01, 0.1, 1.0, 10.0, 100.0];
    assert!(
        e.measure.times.iter().zip(expected).all(|(a, b)| (a / b - 1.0).abs() < 1e-14),
        "{:?}",
        e.measure
    );
    assert_eq!((e.measure.times.len(), e.run.burn_in), (5, Some(Span::Duration(3.0))));
    let e = timed(r#""times": { "from": 1, "to": 2, "n": 3 }"#, "\"seed\": 2");
    assert_eq!(e.measure.times, [1.0, 1.5, 2.0]);
    let e = timed(r#""trajectories": { "segment": 2.5 }"#, "\"duration\": 100");
    assert_eq!(e.measure.trajectories.map(|t| t.segment), Some(2.5));
}

#[test]
fn methods_are_chosen_where_none_is_named() {
    const LEGS: &str = "\"legs\": 10";
    const TIME: &str = "\"duration\": 10";
    const ONE: &str = "\"diffusivity\": 0.1";
    let chosen = |top: &str, more: &str, states: &str, run: &str| {
        let e =
            read(&forced(&format!("{top} {more}"), states, run)).unwrap_or_else(|d| panic!("{more}: {d}"));
        let again = read(&e.canonical().to_string()).unwrap_or_else(|d| panic!("{d}"));
        assert_eq!(again.method, e.method, "a rerun of the canonical file is the same");
        let said = e.warnings().iter().map(|w| w.seen.clone()).collect::<Vec<_>>().join("; ");
        (e.method, said)
    };
    for (top, more, states, run) in [
        (WALLS, "", ONE, LEGS),
        (WALLS, "", ONE, TIME),
        (WALLS, "\"method\": \"auto\",", "\"friction\": \"1 + x\"", LEGS),
        (WALLS, "\"potential\": \"sin(5*x)\",", ONE, LEGS),
        (WALLS, "\"drift\": 0.1,", ONE, LEGS),
        (RING, "", ONE, TIME),
        // Carried along by a free diffusion, at known times too.
        (RING, "\"drift\": 0.7,", ONE, LEGS),
        (RING, "\"drift\": 0.7,", ONE, TIME),
        // The natural scale closes: the force is a gradient of something periodic.
        (RING, "\"drift\": \"0.1*sin(pi*x)\",", ONE, LEGS),
    ] {
        assert_eq!(chosen(top, more, states, run), (Method::Exact {}, String::new()), "{more} {run}");
    }
    for (top, more, states, why) in [
        (WALLS, "", "\"friction\": \"1 + x\"", "elapsed times with a diffusivity of \"particle\""),
        (WALLS, "\"potential\": \"x\",", ONE, "elapsed times with a force on \"particle\""),
        (RING, "\"potential\": \"sin(pi*x + 1)\",", ONE, "round the ring"),
        (RING, "\"drift\": \"0.1 + 0.1*sin(pi*x)\",", ONE, "round the ring, 2 kT a turn"),
        (WALLS, "\"potential\": \"sqrt(x)\",", ONE, "bounds cannot be proven"),
    ] {
        let (method, said) = chosen(top, more, states, TIME);
        assert!(said.contains(why), "{more}: {said}");
        assert!(
            matches!(method, Method::EulerMaruyama { dt } if dt > 1e-9 && dt < 0.5),
            "{more}: {method:?}"
        );
    }
    // The step is short beside what happens: a rate of 10 exp(-1) at least, a stiff well.
    let two =
        r#""states": [{ "name": "A", "energy": 1.5, "friction": "1 + x" }, { "name": "B", "friction": 9 }]"#;
    let Method::EulerMaruyama { dt } = chosen(WALLS, "", two, TIME).0 else { panic!("steps") };
    assert!(dt <= 0.02 / 10.0, "{dt}");
    let well = chosen(WALLS, "\"potential\": \"20*(x - 1)^2\",", ONE, TIME).0;
    let Method::EulerMaruyama { dt } = well else { panic!("steps") };
    // U''/gamma = 40 * 0.1/0.5 = 8 at the cold wall.
    assert!(dt < 0.02 / 8.0 && dt > 1e-6, "{dt}");
    // A wide tilt is allowed where exact is asked for, with a warning.
    let (method, said) = chosen(WALLS, "\"potential\": \"5*x\", \"method\": \"exact\",", ONE, LEGS);
    assert!(method == Method::Exact {} && said.contains("spans"), "{said}");
}

#[test]
fn particles_with_inertia_are_what_the_file_says() {
    let top = format!("{WALLS} \"motion\": \"underdamped\", \"parameters\": {{ \"m\": 2 }},");
    let states = r#""states": [{ "name": "A", "energy": 1, "mass": "3*m", "friction": "T*x" },
        { "name": "B", "mass": 0.5, "friction": 0 }]"#;
    let e = read(&forced(&top, states, "\"duration\": 10")).unwrap_or_else(|d| panic!("{d}"));
    assert_eq!(e.motion, Motion::Underdamped);
    assert!(e.model.is_underdamped());
    assert_eq!(e.model.network.states()[0].mass, Some(6.0));
    assert!((e.model.friction(0).unwrap().value(1.0) - 0.6).abs() < 1e-14);
    assert_eq!(e.model.friction(1).unwrap().constant(), Some(0.0));
    let conventions = simulation::conventions(&e).join("; ");
    assert!(conventions.contains("Kramers' equation, d_t v = -(gamma_i/m_i) v + noise"), "{conventions}");
    assert!(
        conventions.contains("keeps the kinetic energy") && !conventions.contains("Ito"),
        "{conventions}"
    );
    // Reading what was understood gives the same again.
    let canonical = e.canonical();
    assert_eq!(canonical["motion"], "underdamped");
    assert_eq!(canonical["states"][1]["friction"], 0.0);
    let again = read(&canonical.to_string()).unwrap_or_else(|d| panic!("{d}"));
    assert_eq!(again.canonical(), canonical);
    assert!(again.warnings().is_empty(), "{:?}", again.warnings());
}

#[test]
fn steps_of_particles_with_inertia_follow_from_what_is_fastest() {
    let step = |top: &str, particle: &str| {
        let top = format!("\"motion\": \"underdamped\", {top}");
        let e = read(&forced(&top, particle, "\"duration\": 10000")).unwrap_or_else(|d| panic!("{d}"));
        let Method::BaoabFlux { dt } = e.method else { panic!("{:?}", e.method) };
        (dt, e.warnings().iter().map(|w| format!("{} {}", w.seen, w.meaning)).collect::<Vec<_>>().join("; "))
    };
    const FLAT: &str = r#""domain": { "length": 2 }, "temperature": 4,"#;
    for (top, particle, expected, limit) in [
        // gamma dt/m = 0.25; sqrt(kT/m) dt = 0.03 L; omega dt = 0.2, omega^2 = 800/2.
        (FLAT, r#""mass": 2, "friction": 100"#, 0.005, "the friction over the mass"),
        (FLAT, r#""mass": 1, "friction": 0.1"#, 0.03, "the thermal velocity"),
        (
            r#""domain": { "length": 2 }, "temperature": 4, "potential": "400*(x - 1)^2","#,
            r#""mass": 2, "friction": 0.1"#,
            0.01,
            "the curvature",
        ),
        // The potential turns by 2*40 in its minimum: sqrt(kT/m) dt = 0.03 kT/80.
        (
            r#""domain": { "length": 2 }, "temperature": 4, "potential": "40*abs(x - 1)","#,
            r#""mass": 1, "friction": 0.1"#,
            0.000_75,
            "a jump of the force",
        ),
        // Over the length T/T' = 0.1 at the cold wall.
        (
            r#""domain": { "length": 2 }, "temperature": "1 + 10*x","#,
            r#""mass": 1, "friction": 0.1"#,
            0.003,
            "the slope of the temperature",
        ),
        // The friction changes by all of its largest value over the domain, and is zero at a wall.
        (FLAT, r#""mass": 1, "friction": "x""#, 0.03, "the slope of the friction"),
    ] {
        let (dt, said) = step(top, particle);
        // Two digits, rounded down; places are the middles of cells.
        assert!(dt <= 1.03 * expected && dt > 0.85 * expected, "{particle}: {dt} for {expected}");
        assert!(said.contains(limit) && said.contains("baoab_flux with dt = "), "{said}");
    }
    let rates = r#""states": [{ "name": "A", "energy": 1.5, "mass": 1, "friction": 1 },
        { "name": "B", "mass": 1, "friction": 1 }]"#;
    let (dt, said) = step(r#""domain": { "length": 2 }, "temperature": 0.5,"#, rates);
    assert!(dt == 0.002 || dt == 0.0019, "{dt}: {said}");
    assert!(said.contains("the fastest rate"), "{said}");
}

#[test]
fn warnings_of_particles_with_inertia_are_their_own() {
    let said = |top: &str, particle: &str| {
        let top =
            format!("\"motion\": \"underdamped\", \"method\": {{ \"baoab\": {{ \"dt\": 0.01 }} }}, {top}");
        let e = read(&forced(&top, particle, "\"duration\": 10")).unwrap_or_else(|d| panic!("{d}"));
        e.warnings().iter().map(|w| w.seen.clone()).collect::<Vec<_>>().join("; ")
    };
    let one = r#""mass": 1, "friction": "5 + x""#;
    assert_eq!(said(&format!("{WALLS} \"potential\": \"x\","), one), "");
    let short = said(WALLS, r#""mass": 1, "friction": 1e4"#);
    assert!(short.contains("mean free path sqrt(m kT)/gamma is at most"), "{short}");
    let steps = r#""domain": { "length": 2 }, "temperature": { "steps": { "at": [1], "values": [1, 2] } },"#;
    assert!(said(steps, one).contains("a jump of the temperature"));
    assert!(said(&RING.replace("sin(pi*x)", "x"), one).contains("on the ring the temperature is"));
}

#[test]
fn a_ring_on_which_the_temperature_jumps_is_warned_about() {
    let said = |top: &str| {
        let e = read(&forced(top, "\"diffusivity\": 0.1", "\"legs\": 10")).unwrap_or_else(|d| panic!("{d}"));
        e.warnings().iter().map(|w| w.meaning.clone()).collect::<Vec<_>>().join("; ")
    };
    assert!(said(&RING.replace("sin(pi*x)", "x")).contains("the temperature jumps there"));
    assert_eq!(said(RING), "");
    assert_eq!(said(WALLS), "");
}

#[test]
fn ito_diffusivities_under_a_force_are_warned_about() {
    let warned = |motility: &str| {
        let text = forced(&format!("{WALLS} \"potential\": \"x\","), motility, "\"legs\": 10");
        read(&text).unwrap_or_else(|d| panic!("{d}")).warnings().first().map(|w| w.meaning.clone())
    };
    assert!(warned("\"diffusivity\": \"0.1*(1 + x)\"").is_some_and(|m| m.contains("mobility is D/kT")));
    for quiet in ["\"diffusivity\": 0.1", "\"diffusivity\": \"0.1*T\"", "\"friction\": \"1 + x\""] {
        assert_eq!(warned(quiet), None, "{quiet}");
    }
}

#[test]
fn settings_are_read_like_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("two.json");
    fs::write(&path, TWO_STATES).unwrap();
    let with = |settings: &[&str]| {
        let settings: Vec<Setting> = settings.iter().map(|s| Setting::parse(s).unwrap()).collect();
        Experiment::read_with(&path, &settings)
    };
    let e = with(&["run.seed=7", "temperature=320", "states[0].energy=2+0.5", "measure.bins=10"]).unwrap();
    assert_eq!((e.run.seed, e.measure.bins), (7, 10));
    assert_eq!(e.model.temperature.constant(), Some(320.0));
    assert_eq!(e.model.network.states()[0].energy, 2.5);
    let e = with(&["run.legs=null", "run.duration=3", "method={\"euler_maruyama\": {\"dt\": 0.1}}"]).unwrap();
    assert_eq!((e.run.span, e.method), (Span::Duration(3.0), Method::EulerMaruyama { dt: 0.1 }));

    let told = |settings: &[&str]| match with(settings).unwrap_err() {
        Error::Input(diagnostics) => {
            diagnostics.render(false);
            diagnostics.lines().collect::<Vec<_>>().join("\n")
        }
        other => panic!("{other}"),
    };
    let inside = told(&["run.seed=1", "temperature=300 + y"]);
    assert!(inside.starts_with("--set temperature:1:8: unknown name `y`"), "{inside}");
    let inside = told(&["states[1]={\"name\": \"ground\", \"friction\": 1, \"weight\": 2}"]);
    assert!(inside.starts_with("--set states[1]:1:35: unknown key \"weight\""), "{inside}");
    let inside = told(&["run.sed=3"]);
    assert!(inside.starts_with("--set run.sed:1:1: unknown key \"sed\"") && inside.contains("\"seed\"?"));
    // A mistake that is elsewhere keeps its place in the file, and the setting is named.
    let outside = told(&["run={\"particles\": 64, \"legs\": 5}", "states[0].energy=1e5"]);
    assert!(outside.contains("two.json:10:5: the rate of a transition overflows"), "{outside}");
    let outside = told(&["states[0].name=first", "title=other"]);
    assert!(outside.contains("two.json:10:19: no state has this name"), "{outside}");
    let lost = with(&["states[2].energy=1"]).unwrap_err();
    assert_eq!(lost.exit_code(), 2);
    assert!(lost.to_string().contains("--set states[2].energy"), "{lost}");
}
