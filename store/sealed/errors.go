package sealed

import "fmt"

// Reason says why a value does not open.
type Reason string

// The reasons.
const (
	// ReasonUnknownKey: none of the store's keys is the one that sealed the value.
	ReasonUnknownKey Reason = "unknown_key"
	// ReasonDamaged: the value was changed, cut short, or moved here from another store key.
	ReasonDamaged Reason = "damaged"
	// ReasonFormat: the value was sealed in a format that this version does not know.
	ReasonFormat Reason = "format"
	// ReasonPlain: the value is not sealed.
	ReasonPlain Reason = "plain"
)

// OpenError says that a value stands in the store and does not open. It never matches
// [store.ErrNotFound], so nobody takes it for an absent grant, and nothing was overwritten. The error
// shows nothing of the value.
type OpenError struct {
	// Reason says why; more may come.
	Reason Reason
	// StoreKey is the key that the value stands under.
	StoreKey string
	// KeyID is the id of the key that sealed the value, as the value says; "" if it does not say.
	KeyID string
	// Format is the number of the value's format; 0 if it does not say.
	Format int
}

// Error implements error.
func (e *OpenError) Error() string {
	switch e.Reason {
	case ReasonUnknownKey:
		return fmt.Sprintf("sealed: the value under %q was sealed with key %s, which this store was not given; add that key behind the first, or delete the entry if the key is lost", e.StoreKey, e.KeyID)
	case ReasonFormat:
		return fmt.Sprintf("sealed: the value under %q is sealed in format %d, but this version reads format %d; run one version of ghlogin, the newer, on all replicas (nothing was overwritten)", e.StoreKey, e.Format, format)
	case ReasonPlain:
		return fmt.Sprintf("sealed: the value under %q is not sealed; if it is older than the sealing, run Reseal with WithPlaintextReadable once, else find out who writes to this store", e.StoreKey)
	default:
		by := ""
		if e.KeyID != "" {
			by = " with its key " + e.KeyID
		}
		return fmt.Sprintf("sealed: the value under %q does not open%s: it was changed, cut short, or moved here from another key; find out who writes to this store, then delete the entry, and its user signs in again", e.StoreKey, by)
	}
}
