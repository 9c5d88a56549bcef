package grant

import (
	"errors"
	"fmt"
	"time"

	"github.com/ghlogin/ghlogin/oauth"
)

// Reason says why a user has to sign in again.
type Reason string

// The reasons.
const (
	// ReasonNone: there is no grant of this user, or it was forgotten with the last sign-out.
	ReasonNone Reason = "no_grant"
	// ReasonRevoked: GitHub no longer takes the token; as a rule the user withdrew it.
	ReasonRevoked Reason = "revoked"
	// ReasonExpired: the token ran out and can't be refreshed, or its refresh token ran out too,
	// some six months after its last use.
	ReasonExpired Reason = "expired"
	// ReasonLost: GitHub had refreshed the token, but its answer was lost, or the process that got
	// it ended before it could store it.
	ReasonLost Reason = "lost"
	// ReasonOtherApp: the grant was given to an app with another client id.
	ReasonOtherApp Reason = "other_app"
)

// SignInError says that a user has to sign in again before the app can act for them. It matches
// [oauth.ErrSignInAgain].
type SignInError struct {
	// Reason says why; more may come.
	Reason Reason
}

// Error implements error.
func (e *SignInError) Error() string {
	why := map[Reason]string{
		ReasonNone:     "no token of this user is stored",
		ReasonRevoked:  "GitHub no longer takes the user's token",
		ReasonExpired:  "the user's token has expired",
		ReasonLost:     "a refresh was cut off after GitHub had carried it out",
		ReasonOtherApp: "the stored token belongs to an app with another client id",
	}[e.Reason]
	return fmt.Sprintf("grant: %s (%s); send the user through sign-in again", why, e.Reason)
}

// Is matches [oauth.ErrSignInAgain].
func (e *SignInError) Is(target error) bool { return target == oauth.ErrSignInAgain }

// ErrSignedOut says that a session's login id is not, or no longer, in the user's grant.
var ErrSignedOut = errors.New("grant: signed out")

// ErrClosed says that the manager was closed and starts no more refreshes. It matches
// [oauth.ErrTryLater]: another replica may answer.
var ErrClosed = fmt.Errorf("grant: the manager is closed: %w", oauth.ErrTryLater)

// StoreError says that the store could not be read or written. It matches [oauth.ErrTryLater] and
// wraps what the store answered. Nobody is signed out by it.
type StoreError struct {
	Op  string // Op is "get" or "put".
	Err error  // Err is what the store answered.
}

// Error implements error.
func (e *StoreError) Error() string {
	return fmt.Sprintf("grant: the store did not answer a %s: %v", e.Op, e.Err)
}

// Unwrap returns the store's error.
func (e *StoreError) Unwrap() error { return e.Err }

// Is matches [oauth.ErrTryLater].
func (e *StoreError) Is(target error) bool { return target == oauth.ErrTryLater }

// BackoffError says that the token is dead and that its last refresh failed so recently that no new
// one is made yet. It matches [oauth.ErrTryLater], or [oauth.ErrMisconfigured] where GitHub refused
// the app's own credentials.
type BackoffError struct {
	Code          string        // GitHub's error code of that failure; "" where there was no answer.
	RetryAfter    time.Duration // Until the next try.
	Misconfigured bool          // GitHub refused the app, not the user.
}

// Error implements error.
func (e *BackoffError) Error() string {
	code := e.Code
	if code == "" {
		code = "no answer"
	}
	return fmt.Sprintf("grant: the token is dead and its last refresh failed (%s); the next try is in %v", code, e.RetryAfter.Round(time.Second))
}

// Is matches the class of the failure.
func (e *BackoffError) Is(target error) bool {
	if e.Misconfigured {
		return target == oauth.ErrMisconfigured
	}
	return target == oauth.ErrTryLater
}
