//! The event types, and how often each one comes.

use std::fmt;
use std::str::FromStr;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventType {
    /// A product was looked at.
    View,
    /// It was clicked on.
    Click,
    /// It went into the cart.
    AddToCart,
    /// It was taken out again.
    RemoveFromCart,
    /// It was bought.
    Purchase,
    /// It was bought at once, without a cart.
    Buy,
}

impl EventType {
    /// All of them.
    pub const ALL: [EventType; 6] = [
        EventType::View,
        EventType::Click,
        EventType::AddToCart,
        EventType::RemoveFromCart,
        EventType::Purchase,
        EventType::Buy,
    ];

    /// The type's name in the data.
    pub fn name(self) -> &'static str {
        match self {
            EventType::View => "view",
            EventType::Click => "click",
            EventType::AddToCart => "add_to_cart",
            EventType::RemoveFromCart => "remove_from_cart",
            EventType::Purchase => "purchase",
            EventType::Buy => "buy",
        }
    }
}

/// How often each event type comes, relative to the others; written `view=30,purchase=70`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weights {
    by_type: [u32; EventType::ALL.len()],
}

impl Weights {
    /// The weight of one type.
    pub fn of(&self, event_type: EventType) -> u32 {
        self.by_type[event_type as usize]
    }

    /// The sum of all weights: at least 1.
    pub fn total(&self) -> u64 {
        self.by_type.iter().map(|weight| u64::from(*weight)).sum()
    }

    /// The type that a number in `0..total()` falls on.
    pub fn pick(&self, mut number: u64) -> EventType {
        for event_type in EventType::ALL {
            let weight = u64::from(self.of(event_type));
            if number < weight {
                return event_type;
            }
            number -= weight;
        }
        EventType::View
    }
}

impl Default for Weights {
    /// Most people look, few buy.
    fn default() -> Self {
        Self {
            by_type: [60, 20, 9, 3, 6, 2],
        }
    }
}

impl FromStr for Weights {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut by_type = [None; EventType::ALL.len()];
        for part in text.split(',') {
            let Some((name, weight)) = part.split_once('=') else {
                return Err(format!(
                    "{part:?} is no weight; write TYPE=WEIGHT,…, such as view=30,purchase=70"
                ));
            };
            let name = name.trim();
            let Some(event_type) = EventType::ALL
                .into_iter()
                .find(|known| known.name() == name)
            else {
                return Err(format!(
                    "{name:?} is no event type; there are {}",
                    EventType::ALL.map(EventType::name).join(", ")
                ));
            };
            let Ok(weight) = weight.trim().parse::<u32>() else {
                return Err(format!(
                    "the weight of {name} is {weight:?}; write a whole number from 0 to {}",
                    u32::MAX
                ));
            };
            if by_type[event_type as usize].replace(weight).is_some() {
                return Err(format!("{name} has two weights; give it one"));
            }
        }
        let weights = Weights {
            by_type: by_type.map(|weight| weight.unwrap_or(0)),
        };
        if weights.total() == 0 {
            return Err("all weights are 0; give at least one type a weight above 0".to_owned());
        }
        Ok(weights)
    }
}

impl fmt::Display for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        for event_type in EventType::ALL {
            let weight = self.of(event_type);
            if weight > 0 {
                write!(f, "{comma}{}={weight}", event_type.name())?;
                comma = ",";
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_that_are_not_named_never_come() {
        let weights: Weights = "view=30, purchase=70".parse().unwrap();
        assert_eq!(weights.to_string(), "view=30,purchase=70");
        assert_eq!(weights.total(), 100);
        assert_eq!(weights.pick(0), EventType::View);
        assert_eq!(weights.pick(29), EventType::View);
        assert_eq!(weights.pick(30), EventType::Purchase);
        assert_eq!(weights.pick(99), EventType::Purchase);
    }

    #[test]
    fn the_default_reads_back() {
        let weights = Weights::default();
        assert_eq!(weights.to_string().parse(), Ok(weights));
    }

    #[test]
    fn errors_say_what_would_be_right() {
        let error = |text: &str| text.parse::<Weights>().unwrap_err();
        assert!(error("view").contains("view=30,purchase=70"));
        assert!(error("").contains("view=30,purchase=70"));
        assert!(error("wiev=3").contains("add_to_cart, remove_from_cart"));
        assert!(error("view=-1").contains("whole number"));
        assert!(error("view=0.5").contains("whole number"));
        assert!(error("view=1,view=2").contains("two weights"));
        assert!(error("view=0,buy=0").contains("above 0"));
    }
}
