//! The protocol, checked: a model of it is walked through, every interleaving of it.
mod explore;
mod loading;
