//! A simulated file: a name, a URL and a size without content; what the course project called an upload.

use serde::{Deserialize, Serialize};

use crate::directory::{Announce, HoldingState};
use crate::ids::{ByteCount, FileId, FileName, SourceUrl};

/// The three that make a simulated file. Two announcers of the same three share one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Simulated {
    /// What it is called.
    pub name: FileName,
    /// Where it is said to come from.
    pub url: SourceUrl,
    /// How large it is said to be.
    pub size: ByteCount,
}

impl Simulated {
    /// What a simulated download of a real file leaves: a file without content must not pass for one with it, so it has a
    /// name, a URL and thereby an id of its own.
    pub fn copy_of(id: FileId, name: &FileName, size: ByteCount) -> Self {
        const MARK: &str = " (simulated)";
        let kept = name.as_str().floor_char_boundary(FileName::LONGEST - MARK.len());
        let name =
            format!("{}{MARK}", &name.as_str()[..kept]).parse().expect("a name, shortened and marked, is a name");
        let url = format!("enjambre:{id}").parse().expect("hex digits are no control characters");
        Self { name, url, size }
    }

    /// Its id.
    pub fn id(&self) -> FileId {
        FileId::simulated(&self.name, self.url.as_str(), self.size)
    }

    /// As the directory is told of it.
    pub fn announce(&self) -> Announce {
        Announce {
            file_id: self.id(),
            name: self.name.clone(),
            size: self.size,
            state: HoldingState::Complete,
            simulated: true,
            url: Some(self.url.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_another_file_with_a_name_that_fits() {
        let id = FileId::of(b"content");
        for long in ["a".repeat(255), "é".repeat(127), "☕".repeat(85)] {
            let name: FileName = long.parse().unwrap();
            let copy = Simulated::copy_of(id, &name, ByteCount::new(7));
            assert!(copy.name.as_str().ends_with(" (simulated)") && copy.name != name && copy.id() != id);
        }
        let name = "a".parse().unwrap();
        assert_eq!(Simulated::copy_of(id, &name, ByteCount::new(7)), Simulated::copy_of(id, &name, ByteCount::new(7)));
    }
}
