//! Properties of the fetching half.
