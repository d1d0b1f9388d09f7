//! Species and the reactions between them (Eqs 23, D1, for any small network).

use super::{Equation, Field, Motility, Uniform};
use std::sync::Arc;

/// A kind of particle in a [`Mixture`](super::Mixture).
#[derive(Clone, Debug)]
pub struct Species {
    /// Its name, unique in the mixture.
    pub name: String,
    /// Enthalpy `H_k` of a particle, an energy.
    pub energy: f64,
    /// How it moves in x.
    pub motility: Motility,
    /// How many units of the solute a particle holds, `m_k`: those of `c_tot = sum_k m_k c_k`, whose Soret
    /// coefficient is asked for. 1 for a monomer, 2 for a dimer, 0 for a bystander.
    pub content: u32,
}

impl Species {
    /// A species with an energy and a constant diffusivity.
    pub fn new(name: impl Into<String>, energy: f64, diffusivity: f64, content: u32) -> Self {
        let motility = Motility::Diffusivity(Arc::new(Uniform(diffusivity)));
        Species { name: name.into(), energy, motility, content }
    }
}

/// How fast the two ways of a reaction are. A rate constant of order 0 is a concentration per time, of order 1
/// one per time, of order 2 one per concentration and time.
#[derive(Clone, Debug)]
pub enum Kinetics {
    /// Given as functions of position; a way that is not given is closed.
    Given {
        /// `k_+(x)`.
        forward: Option<Arc<dyn Field>>,
        /// `k_-(x)`.
        backward: Option<Arc<dyn Field>>,
    },
    /// `k_- = K k_+` with `K(x)` given. For `2 M <-> D` this is the dissociation constant `K_d`, a concentration.
    Balanced {
        /// `k_+(x)`.
        forward: Arc<dyn Field>,
        /// `K(x) = k_-/k_+`: at equilibrium the product of the reactants over that of the products.
        constant: Arc<dyn Field>,
    },
    /// `k_- = K k_+` with van 't Hoff's `K = K_0 exp(dH/kT)`, where `dH` is the enthalpy of the products less that of
    /// the reactants: association that sets heat free (`dH < 0`) is undone by heat.
    VantHoff {
        /// `k_+(x)`.
        forward: Arc<dyn Field>,
        /// `K_0 > 0`, in the unit of `K`.
        prefactor: f64,
    },
}

/// A reaction, forward from `reactants` to `products`, by the law of mass action.
#[derive(Clone, Debug)]
pub struct Reaction {
    /// Species and how many of each are taken, every species once.
    pub reactants: Vec<(usize, u32)>,
    /// Species and how many of each are made, every species once.
    pub products: Vec<(usize, u32)>,
    /// Its rate constants.
    pub kinetics: Kinetics,
}

impl Reaction {
    /// A reaction between species by their numbers; a number that occurs twice counts twice.
    pub fn new(reactants: &[usize], products: &[usize], kinetics: Kinetics) -> Self {
        let gather = |side: &[usize]| {
            let mut gathered: Vec<(usize, u32)> = Vec::new();
            side.iter().for_each(|s| add(&mut gathered, *s, 1));
            gathered
        };
        Reaction { reactants: gather(reactants), products: gather(products), kinetics }
    }

    /// A reaction as its equation says, whose species are looked up by name.
    ///
    /// # Errors
    /// [`MixtureError::Unknown`] for the first name that is none of `species`.
    pub fn from_equation(
        equation: &Equation,
        species: &[Species],
        kinetics: Kinetics,
    ) -> Result<Self, MixtureError> {
        let side = |terms: &[super::Term]| {
            let mut gathered: Vec<(usize, u32)> = Vec::new();
            for term in terms {
                let found = species.iter().position(|s| s.name == term.name);
                let unknown = || MixtureError::Unknown { name: term.name.clone() };
                add(&mut gathered, found.ok_or_else(unknown)?, term.count);
            }
            Ok(gathered)
        };
        Ok(Reaction { reactants: side(&equation.left)?, products: side(&equation.right)?, kinetics })
    }

    /// Whether each way, forward and backward, can be gone at all.
    pub fn open(&self) -> [bool; 2] {
        let possible = |f: &Arc<dyn Field>| f.constant() != Some(0.0);
        match &self.kinetics {
            Kinetics::Given { forward, backward } => {
                [forward, backward].map(|f| f.as_ref().is_some_and(possible))
            }
            Kinetics::Balanced { forward, constant } => {
                [possible(forward), possible(forward) && possible(constant)]
            }
            Kinetics::VantHoff { forward, .. } => [possible(forward); 2],
        }
    }

    /// Species taken by a way, and how many of each.
    pub fn taken(&self, forward: bool) -> &[(usize, u32)] {
        if forward { &self.reactants } else { &self.products }
    }

    /// Species made by a way, and how many of each.
    pub fn made(&self, forward: bool) -> &[(usize, u32)] {
        self.taken(!forward)
    }

    /// How many particles must meet for a way.
    pub fn order(&self, forward: bool) -> u32 {
        self.taken(forward).iter().map(|(_, count)| count).sum()
    }

    /// By how much a forward passage changes the number of each of `species` species.
    pub fn change(&self, species: usize) -> Vec<i64> {
        let mut change = vec![0; species];
        self.products.iter().for_each(|(s, count)| change[*s] += i64::from(*count));
        self.reactants.iter().for_each(|(s, count)| change[*s] -= i64::from(*count));
        change
    }

    /// Every function of position in it.
    pub fn fields(&self) -> impl Iterator<Item = &Arc<dyn Field>> {
        let pair = match &self.kinetics {
            Kinetics::Given { forward, backward } => [forward.as_ref(), backward.as_ref()],
            Kinetics::Balanced { forward, constant } => [Some(forward), Some(constant)],
            Kinetics::VantHoff { forward, .. } => [Some(forward), None],
        };
        pair.into_iter().flatten()
    }
}

fn add(side: &mut Vec<(usize, u32)>, species: usize, count: u32) {
    match side.iter_mut().find(|(s, _)| *s == species) {
        Some((_, sum)) => *sum += count,
        None => side.push((species, count)),
    }
}

/// What is wrong with a mixture.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MixtureError {
    /// No species at all.
    #[error("a mixture needs at least one species")]
    NoSpecies,
    /// Two species with one name.
    #[error("species {species}: the name {name} is taken")]
    Name {
        /// Index of the second one.
        species: usize,
        /// The name.
        name: String,
    },
    /// An energy is not finite.
    #[error("species {species}: the energy must be finite, found {found}")]
    Energy {
        /// Index of the species.
        species: usize,
        /// The value given.
        found: f64,
    },
    /// An equation names a species that does not exist.
    #[error("no species is called {name}")]
    Unknown {
        /// The name.
        name: String,
    },
    /// A reaction is not one.
    #[error("reaction {reaction}: {what} must be {must}")]
    Reaction {
        /// Index of the reaction.
        reaction: usize,
        /// What of it.
        what: &'static str,
        /// What it must be.
        must: &'static str,
    },
}
