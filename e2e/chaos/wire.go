package chaos

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// Kind says how a call to GitHub's API ended, as a replica sees it.
type Kind string

// The kinds.
const (
	OK            Kind = "ok"
	TryLater      Kind = "try-later"
	NeedsLogin    Kind = "needs-login"
	Misconfigured Kind = "misconfigured"
	APIStatus     Kind = "api-status" // GitHub's API answered, but not with 200.
	Broken        Kind = "broken"     // Anything else, such as a connection that broke off.
)

// Outcome is how one call ended. Detail is the reason for a sign-in, an error's text or a status; it holds
// no secret.
type Outcome struct {
	Kind   Kind
	Detail string
	Tries  string // Tries is when the call was sent and what came back, each time.
}

// Tally is what many calls came to. Micros is how long each took, in microseconds.
type Tally struct {
	Failed  map[Kind]int
	Example string // Example is one of the failures.
	Micros  []int64
}

// Op says what a write to the store was for, by what it wrote.
type Op string

// The writes.
const (
	Ready    Op = "ready" // Ready is no write: the replica serves.
	SignedIn Op = "sign-in"
	Claim    Op = "claim"
	Commit   Op = "commit"
	Mark     Op = "mark" // Mark is a "needs login".
	GiveBack Op = "give-back"
	Other    Op = "other"
)

// Note is a line of a replica's diary: one write to the store, written down when it had ended. Of a replica
// that was killed the last write may be missing.
type Note struct {
	Op         Op
	Began      time.Time
	Took       time.Duration
	User       string // User is the key in the store.
	Generation int64
	Token      string // Token is the fingerprint of the refresh token in the grant that was written.
	Owner      string // Owner is the lease's.
	Reason     string // Reason of a mark, or the code of a failure.
	Err        string // Err is empty if the write took effect for sure.
}

// Fingerprint names a token without showing it.
func Fingerprint(token string) string {
	if token == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:6])
}

// Grant is what the harness reads of a grant in the store.
type Grant struct {
	Lineage    string `json:"lineage"`
	Generation int64  `json:"generation"`
	Token      struct {
		RefreshToken string    `json:"refresh_token"`
		Expiry       time.Time `json:"expiry"`
	} `json:"token"`
	Lease struct {
		Owner string `json:"owner"`
	} `json:"lease"`
	Failure struct {
		Code    string `json:"code"`
		Count   int    `json:"count"`
		Unknown bool   `json:"unknown"`
	} `json:"failure"`
	NeedsLogin string `json:"needs_login"`
}
