package middleware

import (
	"net/http"
	"time"

	"github.com/ghlogin/ghlogin/grant"
)

// sessions is what names a browser's login between requests: {host, user id, login id}, and nothing else. What that
// is worth the grant decides, request by request.
type sessions interface {
	// mayHave reports whether r may carry a session: it spares anonymous visitors the session store.
	mayHave(r *http.Request) bool
	// open returns r's session, which may be empty. An error says that the session store did not answer.
	open(r *http.Request) (session, error)
	// lifetime is how long a login lasts.
	lifetime() time.Duration
}

// session is one browser's, for the length of a request.
type session interface {
	// get returns the login that it names.
	get() (grant.Session, bool)
	// idled returns the login that it named until it was not used for too long, which still stands in its grant. Nobody is signed
	// in by it; it is there to be ended.
	idled() (grant.Session, bool)
	// put has it name a login. Whatever the browser carried before is worthless then.
	put(w http.ResponseWriter, s grant.Session) error
	// remove has it name none.
	remove(w http.ResponseWriter) error
	// renew keeps it fresh, if it is due, for a login that is not known to have ended.
	renew(w http.ResponseWriter)
}
