//! What `help` tells beside the commands, and the manual with it. No line is longer than [`super::fitted::WRITTEN`]: names stand
//! two columns in, what is said of them behind two blanks or more, and goes on further in.

/// Above the commands.
pub(super) const EXAMPLES: &str = "\
Examples:
  peerctl login alice              log in at the directory
  peerctl upload ubuntu.iso        share a file
  peerctl list-files ubuntu        find it from anywhere
  peerctl download ubuntu.iso      fetch it, every piece checked
  peerctl status                   how things are, and what to do next
  peerctl doctor                   what is wrong, and what to do about it
  peerctl                          the same words, in a session
  peerctl menu                     the same by bare digits
";

/// What is worth knowing beside the commands.
pub(crate) const TOPICS: [(&str, &str); 4] =
    [("names", NAMES), ("output", OUTPUT), ("json", JSON), ("exit-codes", EXIT_CODES)];

const NAMES: &str = "\
FILE is a file id (what `b3sum` prints), a unique prefix of it of at least 6
digits, an exact name, or USER/NAME.
PEER is the name of a peer, its id, or a unique prefix of the id of at least 6
digits.

A word that could mean several things is refused, and they are listed.

  peerctl download af1349b9
  peerctl download alice/ubuntu.iso
  peerctl download -- -odd-name        a name that begins with `-`
";

const OUTPUT: &str = "\
Data goes to standard output; messages, prompts and progress go to standard
error.

  (nothing)   tables and sentences, fitted to the terminal
  --plain     tab-separated full values in the order of the JSON keys, `-` for
              none; lines of key and value for `status`, `whoami`, `version`,
              `explain` and `show-…`
  --json      one object, one a line for commands with several results; every
              object has \"v\":1; an error is an object on standard error
  -q          ids only
";

const JSON: &str = "\
Every object has \"v\":1 first. Sizes are bytes, rates bytes per second, times
RFC 3339 in UTC. Keys may be added; none is renamed or dropped without a new
version. A key that has nothing to say is null or missing. Commands marked with
* write a line for each file, event or scenario.

  login       user, role, expires_at, peer_id, peer; so does whoami
  logout      (nothing but v)
  status      peer_id, name, user, directory {url, state, since, problem},
              address, shares, transfers, version, started_at, download_dir,
              actors [{name, restarts}]
  list-peers  items [{peer_id, name, user, address, state, files, last_seen}],
              next
  show-peer   an item of list-peers, and key, version
  list-files  items [{file_id, name, size, holders, holders_up, simulated,
              url}], next
  show-file   an item of list-files, and names, holders_list [{peer, state,
              peer_id, user, address, holding}]
  upload *    file_id, name, size, simulated
  unshare *   file_id, name
  download *  transfer_id, file_id, name, path, bytes, seconds, verified,
              simulated, sources [{peer, bytes}]; with --detach transfer_id,
              file_id, name, size, path, joined, simulated
  transfers   items [{transfer_id, file_id, name, size, path, state, reason,
              failure, bytes, rate, seconds, verified, simulated, sources
              [{peer, peer_id, bytes, banned}]}], next
  pause       an item of transfers; so do resume and cancel
  explain     transfer_id, file_id, name, size, state, bytes, rate, limit,
              because, max_rate, pieces {stored, total}, in_flight, duplicates,
              sources [{peer, peer_id, state, bytes, rate, delay_s, pieces,
              in_flight, failures, trouble}]; limit is over, paused, room,
              no-holders, preparing, finishing, transfer-rate, download-rate,
              peer-rate, disk, turn, holders-uplink, downlink or pretence
  events *    seq, at, kind, peer_id, file_id, user
  simulate *  peers, size, seed, first_s, median_s, p99_s, last_s, bound_s,
              ratio, seed_copies, duplicates, limited_by, elapsed_s, complete,
              finished, left, scenario {…}
  simulate calibrate  source, header_permille, request_bytes, service,
              verify_per_mib, handshake_trips, connect
  verify      file_id, name, path, size, verified
  doctor      verdict, checks [{name, verdict, message, fix}]; verdict is ok,
              warn or fail
  connect     peer_id, peer; null at the directory
  version     peerctl, peerd, directoryd
  an error    error {code, message, hint, candidates}, on standard error
";

const EXIT_CODES: &str = "\
  0    done
  1    any other failure
  2    usage, or an ambiguous word
  3    no such file, peer or transfer
  4    not logged in, or forbidden
  5    daemon or directory unreachable
  6    transfer or verification failed
  7    conflict: it is there already
  8    timed out
  130  interrupted, or cancelled
";
