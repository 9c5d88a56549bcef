package oauth

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// The classes of an *Error say what to do about it. Find one with errors.Is.
var (
	// ErrStartAgain means that this attempt to sign in is over, and that another one may work: send the
	// visitor to AuthorizeURL again, once they ask for it.
	ErrStartAgain = errors.New("start the sign-in again")

	// ErrMisconfigured means that the app's settings are wrong, here or at GitHub. It takes its operator
	// to change that. It says nothing about anybody's tokens: keep them.
	ErrMisconfigured = errors.New("correct the app's settings")

	// ErrSignInAgain means that GitHub no longer accepts the token, and that only its user can get another
	// one. Where several processes share a token, another one may have refreshed it: read it again
	// before you believe this.
	ErrSignInAgain = errors.New("the user must sign in again")

	// ErrTryLater means that GitHub, or the way to it, is out of order or overloaded. It says nothing
	// about the token: keep it. See also Error.RetryAfter and Error.Unknown.
	ErrTryLater = errors.New("try again later")
)

// Error says why a call to GitHub, or a visitor's return from it, failed.
//
// None of its texts holds a client secret, a code, a token or a verifier. It wraps nothing but
// context.Canceled and context.DeadlineExceeded, since the errors below it hold addresses and answers.
type Error struct {
	// Op is what was attempted: "exchange", "refresh", "check token", "revoke token", "revoke grant",
	// "read user" or "callback".
	Op string

	// Code is GitHub's code for the error. It may be one that this package doesn't know; it is empty if
	// GitHub gave none. Calls that authenticate as the app have CodeIncorrectClientCredentials if GitHub
	// answers 401.
	Code Code

	// Description is GitHub's explanation in English, without control characters and cut to 200
	// characters. In a callback's error it is whatever the visitor's address bar held: show it to nobody
	// as your own or GitHub's words.
	Description string

	// URI is the page of GitHub's documentation about the error. Empty if none was given, or one that is
	// not on docs.github.com or developer.github.com over https.
	URI string

	// Status is the HTTP status of GitHub's answer, 0 if no whole answer came.
	Status int

	// RetryAfter is how long GitHub asks to wait, at most a day. 0 if it doesn't say.
	RetryAfter time.Duration

	// Unknown is set if GitHub may have done what it was asked to: the request may have reached it, and
	// no answer came that says otherwise. An exchange or a refresh may then have spent its code or its
	// refresh token. It is not set if the request surely failed, as when no connection could be made.
	Unknown bool

	// Class is one of ErrStartAgain, ErrMisconfigured, ErrSignInAgain and ErrTryLater. If it is nil, the
	// class is that of Code, and ErrTryLater for a Code that is not documented.
	Class error

	reason string // What happened, if Code doesn't say it.
	cause  error  // context.Canceled, context.DeadlineExceeded or nil.
}

// Error returns one sentence for a log: what was attempted, what went wrong and what to do.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Code != "" {
		fmt.Fprintf(&b, ": %s", e.Code)
	}
	if e.Status != 0 {
		fmt.Fprintf(&b, ": status %d", e.Status)
	}
	if reason := e.explain(); reason != "" {
		fmt.Fprintf(&b, ": %s", reason)
	}
	// A visitor writes the description of a callback, and could put advice of theirs into it.
	if e.Description != "" && e.Op != opCallback {
		fmt.Fprintf(&b, " (github says %q)", e.Description)
	}
	if e.Unknown {
		b.WriteString("; github may have done it all the same")
	}
	fmt.Fprintf(&b, "; %s", e.class())
	if e.RetryAfter > 0 {
		fmt.Fprintf(&b, ", in %s", e.RetryAfter.Round(time.Second))
	}
	return b.String()
}

// Is reports whether target is the error's class.
func (e *Error) Is(target error) bool {
	return target == e.class()
}

// Unwrap returns context.Canceled or context.DeadlineExceeded if one of them ended the call, else nil.
func (e *Error) Unwrap() error {
	return e.cause
}

func (e *Error) class() error {
	if e.Class != nil {
		return e.Class
	}
	if known, ok := codes[e.Code]; ok {
		return known.class
	}
	return ErrTryLater
}

func (e *Error) explain() string {
	if e.reason != "" {
		return e.reason
	}
	return codes[e.Code].meaning
}

// CallbackError returns the error that GitHub sent a visitor back with, an *Error with the Op
// "callback", or nil if q, the query of the redirect URL, has none. A code beside an error must not be
// exchanged.
//
// The query is the visitor's, and anybody can send a visitor to the redirect URL: nothing in the error
// is proof that GitHub said it. Compare the state first. A code that is not documented is of class
// ErrStartAgain.
func CallbackError(q url.Values) error {
	for _, text := range q["error"] {
		if text == "" {
			continue
		}
		code := readCode(text)
		e := &Error{
			Op:          opCallback,
			Code:        code,
			Description: clean(q.Get("error_description")),
			URI:         docsURI(q.Get("error_uri")),
			Class:       ErrStartAgain,
		}
		// Only two classes make sense before there is a token: whatever is not the operator's to mend is
		// an attempt that failed.
		if errors.Is(codes[code].class, ErrMisconfigured) {
			e.Class = ErrMisconfigured
		}
		if !code.documented() {
			e.reason = "github sent the visitor back with an error that isn't documented"
		}
		return e
	}
	return nil
}
