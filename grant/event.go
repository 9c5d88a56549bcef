package grant

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/ghlogin/ghlogin/oauth"
)

// Event is something that happened to a user's grant, as [WithObserver] hears of it, and the log and the metrics. It
// holds no secret.
type Event struct {
	// Kind says what happened.
	Kind EventKind
	// UserID is whose grant it is, by GitHub's number.
	UserID int64

	// Generation counts the refreshes of the token that the grant now holds, since its sign-in.
	Generation int64
	// Reason is why the user must sign in again, for [EventNeedsLogin]; and for [EventSignedOut] and [EventForgotten] that
	// GitHub no longer takes the token, where nobody had signed out.
	Reason Reason
	// Err is what went wrong.
	Err error
	// Took is how long a refresh, a wait or a sign-in took.
	Took time.Duration
}

// EventKind names what happened. More may come.
type EventKind string

// The kinds of events.
const (
	// EventSignedIn: a user signed in, in one browser.
	EventSignedIn EventKind = "signed_in"
	// EventSignInFailed: [Manager.SignIn] returned an error, an admission's included, other than that it could not begin: for a
	// login without a lifetime, or on a closed manager. UserID is 0 where GitHub had not said who it was.
	EventSignInFailed EventKind = "sign_in_failed"
	// EventSignedOut: a login ended, or all of a user's.
	EventSignedOut EventKind = "signed_out"
	// EventForgotten: with the last login, the user's token was forgotten; or because the user withdrew it at GitHub.
	EventForgotten EventKind = "forgotten"

	// EventRefreshed: a new token is stored.
	EventRefreshed EventKind = "refreshed"
	// EventAdopted: a refresh was due, and another replica had done it.
	EventAdopted EventKind = "adopted"
	// EventRefreshFailed: GitHub or the store is away, or GitHub refuses the app. The grant stays.
	EventRefreshFailed EventKind = "refresh_failed"
	// EventNeedsLogin: only the user can help, by signing in again.
	EventNeedsLogin EventKind = "needs_login"

	// EventLeaseAwaited: another replica was refreshing, and this one waited for it.
	EventLeaseAwaited EventKind = "lease_awaited"
	// EventLeaseTakenOver: a replica went silent while it refreshed, and this one took over.
	EventLeaseTakenOver EventKind = "lease_taken_over"

	// EventPairHeld: GitHub issued a token that the store would not take. It is served from memory, and lost
	// if the process ends before [EventPairStored].
	EventPairHeld EventKind = "pair_held"
	// EventPairStored: the store took a token that was held in memory.
	EventPairStored EventKind = "pair_stored"
	// EventGaveWay: the user signed out or in while their token was refreshed; the new one was revoked.
	EventGaveWay EventKind = "gave_way"
)

// told is how the log tells of each kind.
var told = map[EventKind]struct {
	level slog.Level
	text  string
}{
	EventSignedIn:       {slog.LevelInfo, "signed in"},
	EventSignInFailed:   {slog.LevelDebug, "nobody was signed in"}, // Its caller has the error, and a log of their own.
	EventSignedOut:      {slog.LevelInfo, "signed out"},
	EventForgotten:      {slog.LevelInfo, "the token was forgotten"},
	EventRefreshed:      {slog.LevelInfo, "token refreshed"},
	EventAdopted:        {slog.LevelDebug, "another process had refreshed the token"},
	EventRefreshFailed:  {slog.LevelWarn, "token not refreshed"},
	EventNeedsLogin:     {slog.LevelInfo, "the user must sign in again"},
	EventLeaseAwaited:   {slog.LevelDebug, "waited for another process's refresh"},
	EventLeaseTakenOver: {slog.LevelWarn, "took over the refresh of a process that went silent"},
	EventPairHeld:       {slog.LevelError, "a refreshed token could not be stored; it is served from memory and tried again"},
	EventPairStored:     {slog.LevelInfo, "a refreshed token that was held in memory is stored"},
	EventGaveWay:        {slog.LevelInfo, "a refreshed token was not needed any more and is revoked"},
}

// tell lets everybody outside know of an event.
func (m *Manager) tell(ctx context.Context, e Event) {
	attrs := []slog.Attr{slog.Int64("user_id", e.UserID)}
	if e.Generation > 0 {
		attrs = append(attrs, slog.Int64("generation", e.Generation))
	}
	if e.Reason != "" {
		attrs = append(attrs, slog.String("reason", string(e.Reason)))
	}
	if e.Took > 0 {
		attrs = append(attrs, slog.Duration("took", e.Took))
	}
	if e.Err != nil {
		attrs = append(attrs, slog.Any("error", e.Err))
	}
	m.log.LogAttrs(ctx, told[e.Kind].level, told[e.Kind].text, attrs...) //nolint:sloglint // The table holds constants.
	m.outside.count(ctx, e)
	for _, observer := range m.outside.observers {
		observer(ctx, e)
	}
}

// class is the kind of an error for a metric: a few words, never a text.
func class(err error) string {
	for _, c := range []struct {
		err  error
		name string
	}{
		{oauth.ErrMisconfigured, "misconfigured"},
		{oauth.ErrSignInAgain, "sign_in_again"},
		{oauth.ErrStartAgain, "start_again"},
		{oauth.ErrTryLater, "try_later"},
	} {
		if errors.Is(err, c.err) {
			return c.name
		}
	}
	return "other"
}

func (o *outside) count(ctx context.Context, e Event) {
	attrs := []attribute.KeyValue{attribute.String("event", string(e.Kind))}
	if e.Reason != "" {
		attrs = append(attrs, attribute.String("reason", string(e.Reason)))
	}
	if e.Err != nil {
		attrs = append(attrs, attribute.String("class", class(e.Err)))
	}
	o.events.Add(ctx, 1, metric.WithAttributes(attrs...))
}
