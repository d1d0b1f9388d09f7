//! Reacting particles in a temperature field.

use super::conservation;
use super::{Boundary, Domain, Field, Kinetics, MixtureError, Motility, Reaction, Species};
use crate::expression::Interval;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Species that move as their [`Motility`] says and react by the law of mass action (Eqs 23, D1, for any small
/// network): with concentrations `c_k`, particles per length in whatever unit the file counts them,
/// ```text
/// d_t c_k = -d_x J_k + sum_r nu_kr (v_r+ - v_r-),      J_k = -(1/g_k) d_x(w_k c_k),
/// v_r+ = k_r+ prod_s c_s^a_sr,                          v_r- = k_r- prod_s c_s^b_sr,      nu = b - a,
/// ```
/// `a` and `b` being the numbers of particles taken and made. So `2 M <-> D` is `d_t c_1 = ... - 2 k_+ c_1^2 + 2 k_-
/// c_2`, `d_t c_2 = ... + k_+ c_1^2 - k_- c_2`. No amount of anything is part of a mixture.
///
/// ```
/// use soret::model::{Equation, Kinetics, Mixture, Reaction, Species, Uniform};
/// use std::sync::Arc;
///
/// let species = vec![Species::new("M", 0.0, 1e-2, 1), Species::new("D", -1.0, 5e-3, 2)];
/// let kinetics = Kinetics::VantHoff { forward: Arc::new(Uniform(1.0)), prefactor: 2.0 };
/// let dimers = Reaction::from_equation(&Equation::parse("2 M <-> D")?, &species, kinetics)?;
/// let mixture = Mixture::new(1.0, Uniform(1.0), species, vec![dimers])?;
/// assert_eq!(mixture.laws(), [[1, 2]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Mixture {
    /// Where particles move.
    pub domain: Domain,
    /// `T(x)` in the unit of the file; positive on the whole domain.
    pub temperature: Arc<dyn Field>,
    /// `k_B` in the file's unit of energy per unit of temperature; 1 in reduced units.
    pub boltzmann: f64,
    species: Vec<Species>,
    reactions: Vec<Reaction>,
    laws: Vec<Vec<i64>>,
}

/// One way of a reaction: what happens at once. Way `2 r` is reaction `r` forward, way `2 r + 1` backward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// The reaction.
    pub reaction: usize,
    /// Whether forward.
    pub forward: bool,
}

impl Way {
    /// Index `2 r` or `2 r + 1`.
    pub fn index(self) -> usize {
        2 * self.reaction + usize::from(!self.forward)
    }
}

/// Something in a mixture that is possible and probably not meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Doubt {
    /// Neither way of the reaction is open.
    Closed {
        /// The reaction.
        reaction: usize,
    },
    /// The reaction takes what it makes.
    Idle {
        /// The reaction.
        reaction: usize,
    },
    /// The species is taken by reactions and nobody makes it: it dies out.
    DiesOut {
        /// The species.
        species: usize,
    },
    /// The species is made by reactions and nobody takes it: it heaps up until its sources run dry.
    HeapsUp {
        /// The species.
        species: usize,
    },
    /// What the reaction needs is not there at the start, and nobody makes it from what is.
    Starved {
        /// The reaction.
        reaction: usize,
    },
}

impl Mixture {
    /// A mixture in reduced units (`k_B = 1`) between reflecting walls at 0 and `length`.
    ///
    /// # Errors
    /// [`MixtureError`]: no species, a name twice, a reaction without particles, with unknown ones or of an
    /// order above 2, an energy or a prefactor out of range.
    pub fn new(
        length: f64,
        temperature: impl Field + 'static,
        species: Vec<Species>,
        reactions: Vec<Reaction>,
    ) -> Result<Self, MixtureError> {
        check(&species, &reactions)?;
        let changes: Vec<Vec<i64>> = reactions.iter().map(|r| r.change(species.len())).collect();
        let laws = conservation::laws(species.len(), &changes);
        let domain = Domain { length, walls: Boundary::Reflecting };
        let temperature = Arc::new(temperature);
        Ok(Mixture { domain, temperature, boltzmann: 1.0, species, reactions, laws })
    }

    /// The same species with other reactions.
    ///
    /// # Errors
    /// As [`Mixture::new`].
    pub fn with_reactions(&self, reactions: Vec<Reaction>) -> Result<Self, MixtureError> {
        let mut mixture =
            Mixture::new(self.domain.length, super::Uniform(1.0), self.species.clone(), reactions)?;
        mixture.domain = self.domain;
        mixture.temperature = self.temperature.clone();
        mixture.boltzmann = self.boltzmann;
        Ok(mixture)
    }

    /// The species, in file order.
    pub fn species(&self) -> &[Species] {
        &self.species
    }

    /// The reactions, in file order.
    pub fn reactions(&self) -> &[Reaction] {
        &self.reactions
    }

    /// All ways, `2 * reactions().len()` of them, by index, also those that are closed.
    pub fn ways(&self) -> impl Iterator<Item = Way> + '_ {
        (0..2 * self.reactions.len()).map(|k| Way { reaction: k / 2, forward: k % 2 == 0 })
    }

    /// The equation of a reaction as text: `2 M <-> D`.
    pub fn equation(&self, reaction: usize) -> String {
        let reaction = &self.reactions[reaction];
        let side = |forward: bool| {
            let term = |(s, n): &(usize, u32)| match n {
                1 => self.species[*s].name.clone(),
                n => format!("{n} {}", self.species[*s].name),
            };
            let terms: Vec<String> = reaction.taken(forward).iter().map(term).collect();
            if terms.is_empty() { "0".to_owned() } else { terms.join(" + ") }
        };
        let one_way = matches!(reaction.kinetics, Kinetics::Given { backward: None, .. });
        format!("{} {} {}", side(true), if one_way { "->" } else { "<->" }, side(false))
    }

    /// A basis of what is conserved: integers `m_lk` with `sum_k m_lk c_k` untouched by every reaction, non-negative
    /// where possible. `[[1, 2]]` for `2 M <-> D`; for `E + S <-> ES <-> E + P` the enzyme `E + ES` and the substrate
    /// `S + ES + P`.
    pub fn laws(&self) -> &[Vec<i64>] {
        &self.laws
    }

    /// `sum_k m_lk c_k` for every law.
    pub fn totals(&self, concentrations: &[f64]) -> Vec<f64> {
        let total = |law: &Vec<i64>| law.iter().zip(concentrations).map(|(m, c)| *m as f64 * c).sum();
        self.laws.iter().map(total).collect()
    }

    /// `c_tot = sum_k m_k c_k` with the content `m_k` of every species.
    pub fn total_content(&self, concentrations: &[f64]) -> f64 {
        self.species.iter().zip(concentrations).map(|(s, c)| f64::from(s.content) * c).sum()
    }

    /// Whether no reaction changes that.
    pub fn content_is_conserved(&self) -> bool {
        let gain = |change: Vec<i64>| -> i64 {
            self.species.iter().zip(change).map(|(s, d)| i64::from(s.content) * d).sum()
        };
        self.reactions.iter().all(|r| gain(r.change(self.species.len())) == 0)
    }

    /// `k_B T(x)`, an energy.
    pub fn thermal_energy(&self, x: f64) -> f64 {
        self.boltzmann * self.temperature.value(x)
    }

    /// An interval that contains `k_B T` everywhere on `x`.
    pub fn thermal_energy_bounds(&self, x: Interval) -> Interval {
        Interval::point(self.boltzmann) * self.temperature.bounds(x)
    }

    /// `w(x)` in `J = -(1/g) d_x(w c)`: `D` or `kT`, see [`Motility`].
    pub fn weight(&self, species: usize, x: f64) -> f64 {
        match &self.species[species].motility {
            Motility::Diffusivity(d) => d.value(x),
            Motility::Friction(_) => self.thermal_energy(x),
        }
    }

    /// `g(x)` in `J = -(1/g) d_x(w c)`: 1 or `gamma`, see [`Motility`].
    pub fn resistance(&self, species: usize, x: f64) -> f64 {
        match &self.species[species].motility {
            Motility::Diffusivity(_) => 1.0,
            Motility::Friction(g) => g.value(x),
        }
    }

    /// `D(x) = w/g`, length^2/time.
    pub fn diffusivity(&self, species: usize, x: f64) -> f64 {
        self.weight(species, x) / self.resistance(species, x)
    }

    /// An interval that contains `D` of a species everywhere on `x`.
    pub fn diffusivity_bounds(&self, species: usize, x: Interval) -> Interval {
        match &self.species[species].motility {
            Motility::Diffusivity(d) => d.bounds(x),
            Motility::Friction(g) => self.thermal_energy_bounds(x) / g.bounds(x),
        }
    }

    /// Enthalpy of the products less that of the reactants, an energy: what a forward passage takes from the bath.
    pub fn reaction_enthalpy(&self, reaction: usize) -> f64 {
        let change = self.reactions[reaction].change(self.species.len());
        self.species.iter().zip(change).map(|(s, d)| d as f64 * s.energy).sum()
    }

    /// Rate constant of a way at `x`; zero if it is closed. See [`Kinetics`] for its unit.
    pub fn rate_constant(&self, way: Way, x: f64) -> f64 {
        match &self.reactions[way.reaction].kinetics {
            Kinetics::Given { forward, backward } => {
                let field = if way.forward { forward } else { backward };
                field.as_ref().map_or(0.0, |f| f.value(x))
            }
            Kinetics::Balanced { forward, .. } | Kinetics::VantHoff { forward, .. } if way.forward => {
                forward.value(x)
            }
            Kinetics::Balanced { forward, constant } => forward.value(x) * constant.value(x),
            Kinetics::VantHoff { forward, prefactor } => {
                let exponent = self.reaction_enthalpy(way.reaction) / self.thermal_energy(x);
                forward.value(x) * (prefactor * libm::exp(exponent))
            }
        }
    }

    /// An interval that contains the rate constant of a way everywhere on `x`.
    pub fn rate_constant_bounds(&self, way: Way, x: Interval) -> Interval {
        match &self.reactions[way.reaction].kinetics {
            Kinetics::Given { forward, backward } => {
                let field = if way.forward { forward } else { backward };
                field.as_ref().map_or(Interval::point(0.0), |f| f.bounds(x))
            }
            Kinetics::Balanced { forward, .. } | Kinetics::VantHoff { forward, .. } if way.forward => {
                forward.bounds(x)
            }
            Kinetics::Balanced { forward, constant } => forward.bounds(x) * constant.bounds(x),
            Kinetics::VantHoff { forward, prefactor } => {
                let enthalpy = Interval::point(self.reaction_enthalpy(way.reaction));
                let exponent = enthalpy / self.thermal_energy_bounds(x);
                forward.bounds(x) * (Interval::point(*prefactor) * exponent.exp())
            }
        }
    }

    /// How often a way is gone per time in a well-mixed cell at `x` that holds `counts` particles of each
    /// species,
    /// ```text
    /// k V prod_s n_s (n_s - 1)...(n_s - a_s + 1)/V^a_s .
    /// ```
    /// `volume` is the number `V` of particles that make up one unit of concentration in the cell: its width
    /// over the weight `w` of a particle. So `k_+ n (n - 1)/V` for `2 M -> D`, `k n_A n_B/V` for two species,
    /// `k V` for `0 -> A`.
    pub fn propensity(&self, way: Way, x: f64, volume: f64, counts: &[u64]) -> f64 {
        let mut propensity = self.rate_constant(way, x) * volume;
        for (species, count) in self.reactions[way.reaction].taken(way.forward) {
            for taken in 0..u64::from(*count) {
                propensity *= counts[*species].saturating_sub(taken) as f64 / volume;
            }
        }
        propensity
    }

    /// What is possible here and probably not meant; with `present`, also reactions that never find what they need.
    pub fn doubts(&self, present: Option<&[bool]>) -> Vec<Doubt> {
        let mut doubts = Vec::new();
        for (reaction, r) in self.reactions.iter().enumerate() {
            if r.open() == [false, false] {
                doubts.push(Doubt::Closed { reaction });
            }
            if r.change(self.species.len()).iter().all(|d| *d == 0) {
                doubts.push(Doubt::Idle { reaction });
            }
        }
        for species in 0..self.species.len() {
            let (mut gains, mut loses) = (false, false);
            for way in self.open_ways() {
                let change = self.reactions[way.reaction].change(self.species.len())[species];
                let change = if way.forward { change } else { -change };
                gains |= change > 0;
                loses |= change < 0;
            }
            match (gains, loses) {
                (false, true) => doubts.push(Doubt::DiesOut { species }),
                (true, false) => doubts.push(Doubt::HeapsUp { species }),
                _ => {}
            }
        }
        if let Some(present) = present {
            let reached = self.reached(present);
            let fed =
                |way: &Way| self.reactions[way.reaction].taken(way.forward).iter().all(|(s, _)| reached[*s]);
            let starved = |reaction: &usize| {
                let mut ways = self.open_ways().filter(|w| w.reaction == *reaction).peekable();
                ways.peek().is_some() && !ways.any(|w| fed(&w))
            };
            let never = (0..self.reactions.len()).filter(starved);
            doubts.extend(never.map(|reaction| Doubt::Starved { reaction }));
        }
        doubts
    }

    /// Which species are there sooner or later, if these are there at the start.
    pub fn reached(&self, present: &[bool]) -> Vec<bool> {
        let mut reached = present.to_vec();
        loop {
            let mut more = false;
            for way in self.open_ways() {
                let reaction = &self.reactions[way.reaction];
                if reaction.taken(way.forward).iter().all(|(s, _)| reached[*s]) {
                    for (s, _) in reaction.made(way.forward) {
                        more |= !std::mem::replace(&mut reached[*s], true);
                    }
                }
            }
            if !more {
                return reached;
            }
        }
    }

    /// The ways that can be gone.
    pub fn open_ways(&self) -> impl Iterator<Item = Way> + '_ {
        self.ways().filter(|w| self.reactions[w.reaction].open()[usize::from(!w.forward)])
    }

    /// Every function of position that a mixture is made of, the temperature first.
    pub fn fields(&self) -> impl Iterator<Item = &Arc<dyn Field>> {
        let motion = self.species.iter().map(|s| s.motility.parts().1);
        let rates = self.reactions.iter().flat_map(Reaction::fields);
        std::iter::once(&self.temperature).chain(motion).chain(rates)
    }
}

fn check(species: &[Species], reactions: &[Reaction]) -> Result<(), MixtureError> {
    if species.is_empty() {
        return Err(MixtureError::NoSpecies);
    }
    for (k, s) in species.iter().enumerate() {
        if species[..k].iter().any(|other| other.name == s.name) {
            return Err(MixtureError::Name { species: k, name: s.name.clone() });
        }
        if !s.energy.is_finite() {
            return Err(MixtureError::Energy { species: k, found: s.energy });
        }
    }
    for (reaction, r) in reactions.iter().enumerate() {
        let mistake = |what, must| Err(MixtureError::Reaction { reaction, what, must });
        for (what, side) in [("what reacts", &r.reactants), ("what is made", &r.products)] {
            if side.iter().any(|(s, count)| *s >= species.len() || !(1..=99).contains(count)) {
                return mistake(what, "1 to 99 particles of species of the mixture");
            }
            let twice = |i: usize| side[..i].iter().any(|(s, _)| *s == side[i].0);
            if (0..side.len()).any(twice) {
                return mistake(what, "every species once");
            }
        }
        if r.reactants.is_empty() && r.products.is_empty() {
            return mistake("the equation", "one with particles");
        }
        if r.open()[0] && r.order(true) > 2 {
            return mistake("the number of particles that react", "at most 2");
        }
        if r.open()[1] && r.order(false) > 2 {
            return mistake("the number of particles that react backward", "at most 2");
        }
        if let Kinetics::VantHoff { prefactor, .. } = r.kinetics
            && !(prefactor > 0.0 && prefactor.is_finite())
        {
            return mistake("the prefactor", "positive and finite");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Equation, Uniform};

    fn given(forward: f64, backward: f64) -> Kinetics {
        let field = |k: f64| (k != 0.0).then(|| Arc::new(Uniform(k)) as Arc<dyn Field>);
        Kinetics::Given { forward: field(forward), backward: field(backward) }
    }

    fn mixture(names: &[&str], reactions: &[(&str, Kinetics)]) -> Mixture {
        let species: Vec<Species> = names.iter().map(|n| Species::new(*n, 0.0, 1.0, 1)).collect();
        let read = |(equation, kinetics): &(&str, Kinetics)| {
            let equation = Equation::parse(equation).expect("an equation");
            Reaction::from_equation(&equation, &species, kinetics.clone()).expect("known species")
        };
        let reactions = reactions.iter().map(read).collect();
        Mixture::new(1.0, Uniform(1.0), species, reactions).expect("a mixture")
    }

    #[test]
    fn propensities_count_pairs() {
        let m = mixture(
            &["A", "B", "C"],
            &[("2 A <-> B", given(3.0, 5.0)), ("A + B -> C", given(7.0, 0.0)), ("0 -> A", given(11.0, 0.0))],
        );
        let counts = [4, 2, 0];
        let found: Vec<f64> = m.ways().map(|w| m.propensity(w, 0.5, 10.0, &counts)).collect();
        let expected = [3.0 * 4.0 * 3.0 / 10.0, 5.0 * 2.0, 7.0 * 4.0 * 2.0 / 10.0, 0.0, 11.0 * 10.0, 0.0];
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-13, "{found} {expected}");
        }
        let pair = Way { reaction: 0, forward: true };
        assert_eq!(m.propensity(pair, 0.5, 10.0, &[1, 0, 0]), 0.0);
    }

    #[test]
    fn heat_undoes_what_set_heat_free() {
        let species = vec![Species::new("M", 0.25, 1.0, 1), Species::new("D", -1.0, 0.5, 2)];
        let kinetics = Kinetics::VantHoff { forward: Arc::new(Uniform(3.0)), prefactor: 2.0 };
        let reaction = Reaction::new(&[0, 0], &[1], kinetics);
        let temperature = crate::expression::Expression::parse("1 + x", &["x"], &[]).expect("a temperature");
        let m = Mixture::new(1.0, temperature, species, vec![reaction]).expect("a mixture");
        assert_eq!(m.reaction_enthalpy(0), -1.5);
        let back = Way { reaction: 0, forward: false };
        for (x, t) in [(0.0, 1.0), (0.5, 1.5), (1.0, 2.0)] {
            let expected = 3.0 * 2.0 * f64::exp(-1.5 / t);
            assert!((m.rate_constant(back, x) - expected).abs() < 1e-14, "{x}");
            assert!(m.rate_constant_bounds(back, Interval::new(0.0, 1.0)).contains(m.rate_constant(back, x)));
        }
        assert!(m.rate_constant(back, 1.0) > m.rate_constant(back, 0.0));
        assert!(m.content_is_conserved());
        assert_eq!(m.total_content(&[1.0, 2.0]), 5.0);
        assert_eq!(m.totals(&[1.0, 2.0]), [5.0]);
    }

    #[test]
    fn doubts_are_raised() {
        let m = mixture(
            &["A", "B", "C", "F"],
            &[
                ("A -> B", given(1.0, 0.0)),
                ("C -> C", given(1.0, 0.0)),
                ("B + F -> A + F", given(0.0, 0.0)),
                ("F + C -> F + A", given(1.0, 0.0)),
            ],
        );
        let expected = [
            Doubt::Idle { reaction: 1 },
            Doubt::Closed { reaction: 2 },
            Doubt::HeapsUp { species: 1 },
            Doubt::DiesOut { species: 2 },
        ];
        assert_eq!(m.doubts(None), expected);
        let absent = m.doubts(Some(&[true, false, true, false]));
        assert_eq!(absent.last(), Some(&Doubt::Starved { reaction: 3 }));
        assert_eq!(m.doubts(Some(&[false, true, true, true])), expected);
        assert_eq!(m.reached(&[false, false, true, true]), [true; 4]);
        assert!(
            mixture(&["M", "D"], &[("2 M <-> D", given(1.0, 1.0))]).doubts(Some(&[true, false])).is_empty()
        );
    }

    #[test]
    fn mistakes_are_refused() {
        let two = || vec![Species::new("A", 0.0, 1.0, 1), Species::new("B", 0.0, 1.0, 1)];
        let of = |reaction: Reaction| Mixture::new(1.0, Uniform(1.0), two(), vec![reaction]).unwrap_err();
        let what = |error: MixtureError| match error {
            MixtureError::Reaction { what, .. } => what,
            other => panic!("{other}"),
        };
        assert_eq!(
            what(of(Reaction::new(&[0, 0, 1], &[], given(1.0, 0.0)))),
            "the number of particles that react"
        );
        assert_eq!(
            what(of(Reaction::new(&[0], &[1, 1, 1], given(1.0, 1.0)))),
            "the number of particles that react backward"
        );
        assert_eq!(what(of(Reaction::new(&[2], &[1], given(1.0, 0.0)))), "what reacts");
        assert_eq!(what(of(Reaction::new(&[], &[], given(1.0, 0.0)))), "the equation");
        assert!(
            Mixture::new(1.0, Uniform(1.0), two(), vec![Reaction::new(&[0], &[1, 1, 1], given(1.0, 0.0))])
                .is_ok()
        );
        assert!(matches!(
            Mixture::new(1.0, Uniform(1.0), vec![], vec![]).unwrap_err(),
            MixtureError::NoSpecies
        ));
        let twins = vec![Species::new("A", 0.0, 1.0, 1), Species::new("A", 0.0, 1.0, 1)];
        assert!(matches!(
            Mixture::new(1.0, Uniform(1.0), twins, vec![]).unwrap_err(),
            MixtureError::Name { species: 1, .. }
        ));
        let equation = Equation::parse("A -> X").unwrap();
        assert_eq!(
            Reaction::from_equation(&equation, &two(), given(1.0, 0.0)).unwrap_err(),
            MixtureError::Unknown { name: "X".into() }
        );
    }
}
