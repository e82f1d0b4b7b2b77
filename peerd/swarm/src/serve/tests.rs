//! Properties of the serving half.
