//! What reactions never make nor unmake, followed one by one.

use super::ReactionError;
use super::network::{Passage, passages};
use crate::model::{Mixture, Way};
use serde::{Deserialize, Serialize};

/// Units that one conservation law counts: a particle of species `k` holds `m_k` of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Kind {
    /// The law, by its index in the mixture.
    pub law: usize,
    /// Species that hold such units: what a unit can be part of.
    pub states: Vec<Member>,
    /// What can happen to a unit.
    pub turns: Vec<Turn>,
    /// Per way of the mixture, how many units change their species in one passage.
    pub turnover: Vec<i64>,
}

/// A species as a state of units.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Member {
    /// The species.
    pub species: usize,
    /// Units in a particle, `m_k`.
    pub content: i64,
    /// Part of the species that is told by this kind, one over the number of kinds that it is made of.
    pub share: f64,
    /// Enthalpy of a particle, an energy.
    pub enthalpy: f64,
}

/// A unit changes its species along a way of a reaction.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Turn {
    pub way: Way,
    /// States left and entered.
    pub from: usize,
    pub to: usize,
    /// The factor of rate constant and partner in the rate.
    pub factor: f64,
    /// The species that must be met.
    pub partner: Option<usize>,
}

/// The kinds of units of a mixture: one for every law without negative entries.
///
/// A way that goes at the rate `v` takes `v lost_s` particles of species `s` per time, that is each of them at the
/// rate `lost_s v/c_s`, and with it its units. Of the `N = sum_t gained_t m_t` units in what is made a unit becomes any
/// one: it enters `t` with probability `gained_t m_t/N`. So units of one kind and species, `m_k c_k`, obey the
/// equation of `c_k`.
pub(super) fn kinds(mixture: &Mixture) -> Result<Vec<Kind>, ReactionError> {
    let count = mixture.species().len();
    let told = |law: &&Vec<i64>| law.iter().all(|m| *m >= 0);
    let tellers = |s: usize| mixture.laws().iter().filter(told).filter(|law| law[s] > 0).count();
    if let Some(s) = (0..count).find(|s| tellers(*s) == 0) {
        return Err(ReactionError::Unconserved { species: mixture.species()[s].name.clone() });
    }
    let open = passages(mixture);
    let of = |(law, contents): (usize, &Vec<i64>)| {
        let members = contents.iter().enumerate().filter(|(_, m)| **m > 0);
        let member = |(species, m): (usize, &i64)| Member {
            species,
            content: *m,
            share: 1.0 / tellers(species) as f64,
            enthalpy: mixture.species()[species].energy,
        };
        let states: Vec<Member> = members.map(member).collect();
        let mut kind = Kind { law, states, turns: vec![], turnover: vec![0; 2 * mixture.reactions().len()] };
        open.iter().for_each(|passage| kind.take_in(mixture, passage));
        kind
    };
    Ok(mixture.laws().iter().enumerate().filter(|(_, law)| told(law)).map(of).collect())
}

impl Kind {
    /// Adds the turns of a way.
    fn take_in(&mut self, mixture: &Mixture, passage: &Passage) {
        let way = passage.way;
        let change = |s: usize| passage.change.iter().find(|(t, _)| *t == s).map_or(0, |(_, d)| *d);
        let units: Vec<i64> = self.states.iter().map(|m| m.content * change(m.species)).collect();
        let turnover: i64 = units.iter().filter(|u| **u > 0).sum();
        self.turnover[way.index()] = turnover;
        for (from, left) in self.states.iter().enumerate().filter(|(s, _)| units[*s] < 0) {
            // What must be met: everything that is taken but the particle itself.
            let taken = mixture.reactions()[way.reaction].taken(way.forward);
            let others = taken.iter().map(|(s, a)| (*s, a - u32::from(*s == left.species)));
            let partner = others.into_iter().find(|(_, a)| *a > 0).map(|(s, _)| s);
            for (to, gain) in units.iter().enumerate().filter(|(_, u)| **u > 0) {
                let lost = -change(left.species) as f64;
                let factor = lost * *gain as f64 / turnover as f64;
                self.turns.push(Turn { way, from, to, factor, partner });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Equation, Kinetics, Reaction, Species, Uniform};
    use std::sync::Arc;

    fn mixture(names: &[&str], equations: &[&str]) -> Mixture {
        let species: Vec<Species> = names.iter().map(|n| Species::new(*n, 0.0, 1.0, 1)).collect();
        let given = || Kinetics::Given {
            forward: Some(Arc::new(Uniform(1.5))),
            backward: Some(Arc::new(Uniform(0.25))),
        };
        let read =
            |e: &&str| Reaction::from_equation(&Equation::parse(e).unwrap(), &species, given()).unwrap();
        let reactions = equations.iter().map(read).collect();
        Mixture::new(1.0, Uniform(1.0), species.clone(), reactions).unwrap()
    }

    /// Rates of units times the units there are give `m_k` times the source of every species, for every kind.
    #[test]
    fn units_obey_the_law_of_mass_action() {
        let cases: [(&[&str], &[&str]); 6] = [
            (&["M", "D"], &["2 M <-> D"]),
            (&["E", "S", "ES", "P"], &["E + S <-> ES", "ES <-> E + P"]),
            (&["M", "D", "T", "Q"], &["2 M <-> D", "M + D <-> T", "2 D <-> Q", "M + T <-> Q"]),
            (&["A", "B", "C"], &["A + C <-> B + C", "2 A <-> A + B"]),
            (&["A", "B", "X", "Y"], &["A + B <-> X + Y", "X <-> Y"]),
            (&["M", "D"], &["2 M -> D"]),
        ];
        let c = [0.7, 1.9, 0.4, 2.3];
        for (names, equations) in cases {
            let mixture = mixture(names, equations);
            for kind in kinds(&mixture).unwrap() {
                let mut gains = vec![0.0; kind.states.len()];
                for turn in &kind.turns {
                    let left = kind.states[turn.from];
                    let partner = turn.partner.map_or(1.0, |s| c[s]);
                    let rate = mixture.rate_constant(turn.way, 0.5) * turn.factor * partner;
                    let flow = rate * left.content as f64 * c[left.species];
                    gains[turn.from] -= flow;
                    gains[turn.to] += flow;
                }
                for (state, gain) in kind.states.iter().zip(gains) {
                    let source: f64 = mixture
                        .ways()
                        .map(|way| {
                            let reaction = &mixture.reactions()[way.reaction];
                            let change = reaction.change(names.len())[state.species] as f64;
                            let taken = reaction.taken(way.forward).iter();
                            let rate = taken
                                .fold(mixture.rate_constant(way, 0.5), |v, (s, a)| v * c[*s].powi(*a as i32));
                            if way.forward { change * rate } else { -change * rate }
                        })
                        .sum();
                    let expected = state.content as f64 * source;
                    assert!((gain - expected).abs() < 1e-12, "{equations:?} {state:?}: {gain} {expected}");
                }
            }
        }
    }

    #[test]
    fn a_species_of_two_kinds_is_told_by_both() {
        let catalysis = mixture(&["E", "S", "ES", "P"], &["E + S <-> ES", "ES <-> E + P"]);
        let kinds = kinds(&catalysis).unwrap();
        let shares = |k: usize| kinds[k].states.iter().map(|m| (m.species, m.share)).collect::<Vec<_>>();
        assert_eq!(shares(0), [(0, 1.0), (2, 0.5)]);
        assert_eq!(shares(1), [(1, 1.0), (2, 0.5), (3, 1.0)]);
        assert_eq!((kinds[0].turnover[0], kinds[1].turnover[2]), (1, 1));
    }

    #[test]
    fn what_is_made_from_nothing_is_refused() {
        for equation in ["0 <-> A", "A + B <-> 0"] {
            let open = mixture(&["A", "B"], &[equation]);
            assert_eq!(kinds(&open), Err(ReactionError::Unconserved { species: "A".into() }), "{equation}");
        }
    }
}
