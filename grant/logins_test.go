package grant_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/grant"
)

// signInWith signs in as a browser that has a name of its own and calls itself something.
func (w *world) signInWith(t *testing.T, m *grant.Manager, l grant.Login) grant.Session {
	t.Helper()
	code, verifier := w.authorize(t, "octocat")
	l.Lifetime = 30 * 24 * time.Hour
	session, _, err := m.SignIn(t.Context(), code, verifier, l)
	if err != nil {
		t.Fatalf("SignIn = %v", err)
	}
	return session
}

func logins(t *testing.T, m *grant.Manager, s grant.Session) []grant.LoginInfo {
	t.Helper()
	list, err := m.Logins(t.Context(), s)
	if err != nil {
		t.Fatalf("Logins = %v", err)
	}
	return list
}

func wantSignedIn(t *testing.T, m *grant.Manager, s grant.Session, want bool) {
	t.Helper()
	if _, _, err := m.Lookup(t.Context(), s); (err == nil) != want || err != nil && !errors.Is(err, grant.ErrSignedOut) {
		t.Errorf("Lookup = %v, want signed in: %v", err, want)
	}
}

func TestUserSeesTheirLoginsThisBrowsersFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		began := time.Now()
		laptop := w.signInWith(t, m, grant.Login{UserAgent: "Firefox", Browser: "one"})
		w.signInWith(t, m, grant.Login{UserAgent: "Firefox", Browser: "one"}) // Another tab, at once.
		time.Sleep(time.Minute)
		w.signInWith(t, m, grant.Login{UserAgent: "phone"})
		time.Sleep(time.Minute)
		w.signInWith(t, m, grant.Login{})
		list := logins(t, m, laptop)
		var got []string
		for _, l := range list {
			got = append(got, l.UserAgent)
		}
		if strings.Join(got, ",") != "Firefox,,phone" || !list[0].Current || list[1].Current || list[2].Current {
			t.Fatalf("Logins = %+v, want this browser's, then the newest", list)
		}
		if !list[0].Created.Equal(began) || !list[0].LastSeen.Equal(began) || !list[0].Expires.Equal(began.Add(30*24*time.Hour)) {
			t.Errorf("this browser's = %+v, signed in at %v", list[0], began)
		}
		if all := logins(t, m, grant.Session{UserID: octocat}); len(all) != 3 || all[0].Current || all[0].UserAgent != "" {
			t.Errorf("without a session, Logins = %+v", all)
		}
		if none := logins(t, m, grant.Session{UserID: 1}); len(none) != 0 {
			t.Errorf("of another user, Logins = %+v", none)
		}
		time.Sleep(30*24*time.Hour - time.Minute) // The laptop's has ended, and stands in the grant beside the others still.
		if left := logins(t, m, laptop); len(left) != 1 || left[0].Current || left[0].UserAgent != "" {
			t.Errorf("when two have ended, Logins = %+v", left)
		}
	})
}

func TestOneOfThreeLoginsEndsAndTheLastOneRevokes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitHubApp)
		m := w.manager(t)
		a := w.signInWith(t, m, grant.Login{UserAgent: "a"})
		b := w.signInWith(t, m, grant.Login{UserAgent: "b", Browser: "b's"})
		b2 := w.signInWith(t, m, grant.Login{UserAgent: "b", Browser: "b's"})
		c := w.signInWith(t, m, grant.Login{UserAgent: "c"})
		time.Sleep(time.Minute) // What they replaced is revoked.
		end := func(s grant.Session) {
			t.Helper()
			if err := m.SignOutLogin(t.Context(), octocat, logins(t, m, s)[0].ID); err != nil {
				t.Fatal(err)
			}
			wantSignedIn(t, m, s, false)
		}
		end(b)
		wantSignedIn(t, m, b2, false) // It is the same browser.
		wantSignedIn(t, m, a, true)
		wantSignedIn(t, m, c, true)
		end(a)
		time.Sleep(time.Minute)
		wantSignedIn(t, m, c, true)
		if got := getUser(t, m.HTTPClient(octocat)); got != http.StatusOK {
			t.Errorf("the one that stayed gets %d", got)
		}
		end(c)
		time.Sleep(time.Minute)
		if n := w.gh.LiveTokens(w.app.ClientID, octocat); n != 0 {
			t.Errorf("%d tokens are alive after the last login ended", n)
		}
	})
}

func TestNobodyEndsAnothersLoginByItsID(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gitHubApp)
	w.gh.AddUser(githubtest.User{ID: 2, Login: "mallory"})
	m := w.manager(t)
	victim, mallory := w.signIn(t, m, "octocat"), w.signIn(t, m, "mallory")
	id := logins(t, m, victim)[0].ID
	for _, bad := range []string{id, "", "x", victim.LoginID, strings.ToUpper(id)} {
		if err := m.SignOutLogin(t.Context(), mallory.UserID, bad); err != nil {
			t.Errorf("SignOutLogin(%q) = %v", bad, err)
		}
	}
	for _, bad := range []string{"", "x", victim.LoginID, id[:31], id + "0"} {
		if err := m.SignOutLogin(t.Context(), octocat, bad); err != nil {
			t.Errorf("SignOutLogin(%q) = %v", bad, err)
		}
	}
	wantSignedIn(t, m, victim, true)
	wantSignedIn(t, m, mallory, true)
}

// The list stands in a page, and pages are looked at over shoulders.
func TestPublicIDOpensNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gitHubApp)
	m := w.manager(t)
	s := w.signInWith(t, m, grant.Login{Browser: "b"})
	list := logins(t, m, s)
	wantSignedIn(t, m, grant.Session{UserID: octocat, LoginID: list[0].ID}, false)
	shown, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	for _, hidden := range append(w.gh.Secrets(), s.LoginID) {
		if strings.Contains(string(shown), hidden) {
			t.Errorf("the list shows %.6s…: %s", hidden, shown)
		}
	}
	if strings.Contains(string(w.value(t)), list[0].ID) {
		t.Error("the public id is stored, where it could stand for a login id")
	}
}

func (w *world) value(t *testing.T) []byte {
	t.Helper()
	e, err := w.store.Store.Get(t.Context(), "github.com/583231")
	if err != nil {
		t.Fatal(err)
	}
	return e.Value
}

func TestSignOutOthersLeavesThisBrowser(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gitHubApp)
	m := w.manager(t)
	here := w.signInWith(t, m, grant.Login{Browser: "here"})
	tab := w.signInWith(t, m, grant.Login{Browser: "here"})
	there, elsewhere := w.signIn(t, m, "octocat"), w.signInWith(t, m, grant.Login{Browser: "else"})
	if err := m.SignOutOthers(t.Context(), here); err != nil {
		t.Fatal(err)
	}
	wantSignedIn(t, m, here, true)
	wantSignedIn(t, m, tab, true)
	wantSignedIn(t, m, there, false)
	wantSignedIn(t, m, elsewhere, false)
	if got := getUser(t, m.HTTPClient(octocat)); got != http.StatusOK {
		t.Errorf("this browser gets %d", got)
	}
}

// A thief whose session was ended from another browser answers by ending that one, on a replica that does not know yet.
func TestWhoWasSignedOutSignsNobodyElseOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gitHubApp)
	m := w.manager(t)
	remembers := w.manager(t, grant.WithStaleness(time.Hour))
	thief, owner := w.signIn(t, m, "octocat"), w.signIn(t, m, "octocat")
	wantSignedIn(t, remembers, thief, true)
	if err := m.SignOutOthers(t.Context(), owner); err != nil {
		t.Fatal(err)
	}
	wantSignedIn(t, remembers, thief, true) // For as long as it remembers.
	if err := remembers.SignOutOthers(t.Context(), thief); !errors.Is(err, grant.ErrSignedOut) {
		t.Errorf("SignOutOthers = %v, want ErrSignedOut", err)
	}
	wantSignedIn(t, m, owner, true)
	if list := logins(t, remembers, thief); len(list) != 1 || list[0].Current {
		t.Errorf("Logins = %+v, want the owner's alone, and not as the thief's", list)
	}
}

func TestListOfLoginsIsBoundedAndSoIsItsSize(t *testing.T) {
	t.Parallel()
	w := newWorld(t, githubtest.App{NoExpiry: true})
	m := w.manager(t)
	var newest grant.Session
	for range 70 {
		newest = w.signInWith(t, m, grant.Login{UserAgent: strings.Repeat("<", 10<<10)})
	}
	if n := len(logins(t, m, newest)); n != 64 {
		t.Errorf("%d logins, want the newest 64", n)
	}
	if n := len(w.value(t)); n > 128<<10 { // Vault's limit is 1 MiB, and JSON writes six bytes for each "<".
		t.Errorf("the grant takes %d bytes", n)
	}
}

func TestHostileUserAgentIsBoundedPlainText(t *testing.T) {
	t.Parallel()
	w := newWorld(t, githubtest.App{NoExpiry: true})
	m := w.manager(t)
	for name, c := range map[string]struct{ sent, want string }{
		"long":               {strings.Repeat("a", 10<<10), strings.Repeat("a", 200)},
		"cut within a rune":  {strings.Repeat("a", 199) + "é", strings.Repeat("a", 199)},
		"control characters": {"Fire\x00fox\r\nSet-Cookie: x\x1b[31m\x7f", "FirefoxSet-Cookie: x[31m"},
		"right to left":      {"abc\u202etxt.exe\u2066", "abctxt.exe"},
		"invalid UTF-8":      {"a\xff\xc3(\xf0\x9f", "a("},
		"HTML":               {`<script>alert("x")</script>`, `<script>alert("x")</script>`},
		"nothing":            {"", ""},
		"only rubbish":       {strings.Repeat("\x00", 10<<10), ""},
	} {
		s := w.signInWith(t, m, grant.Login{UserAgent: c.sent})
		got := logins(t, m, s)[0].UserAgent
		if got != c.want || !utf8.ValidString(got) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// A grant that was written before logins had these fields.
func TestLoginFromBeforeIsListedByItsSignIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gitHubApp)
	m := w.manager(t)
	s := w.signInWith(t, m, grant.Login{UserAgent: "Firefox"})
	w.change(t, "583231", func(v map[string]any) {
		for _, l := range v["logins"].(map[string]any) {
			delete(l.(map[string]any), "user_agent")
		}
	})
	if l := logins(t, m, s); len(l) != 1 || l[0].UserAgent != "" || l[0].LastSeen.IsZero() || !l[0].Current {
		t.Errorf("Logins = %+v", l)
	}
}
