package middleware

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html"
	"io"
	"net/http"
	"strings"
)

//go:embed pages/problem.html
var pageSource string

//go:embed pages/problem.css
var pageStyle string

var pagePolicy = contentSecurityPolicy(pageStyle)

// contentSecurityPolicy allows one inline style, by its hash, and nothing else: no script, no image,
// no frame, no other site.
func contentSecurityPolicy(style string) string {
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

// text is what a visitor is told about a kind of problem. Nothing in it comes from the request.
type text struct {
	status        int
	title, detail string
	retry         bool   // Signing in (again) is a way on,
	label         string // and this is what its button says.
}

var texts = map[Kind]text{
	KindSignIn: {
		http.StatusUnauthorized, "Sign in to continue",
		"This page is for people who are signed in with GitHub.", true, "Sign in with GitHub",
	},
	KindAttempt: {
		http.StatusBadRequest, "This sign-in is no longer valid",
		"It took more than ten minutes, was finished before, or was begun in another browser. Nobody has been signed in by it. If it happens again, check that your browser accepts cookies from this site.", true, "Sign in again",
	},
	KindDenied: {
		http.StatusForbidden, "You canceled the sign-in",
		"You did not allow it at GitHub, so nothing has changed. You can try again whenever you like.", true, "Sign in with GitHub",
	},
	KindEmail: {
		http.StatusForbidden, "Verify your e-mail address at GitHub",
		"GitHub signs people in to other sites only once the primary e-mail address of their account is verified. Verify it in your GitHub settings under Emails, then sign in again.", true, "Sign in again",
	},
	KindScopes: {
		http.StatusForbidden, "This page needs more access",
		"It works with parts of your GitHub account that you have not opened to this site. You are signed in, and the rest of the site works as before. Continue to see at GitHub what it asks for.", true, "Continue to GitHub",
	},
	KindNotAllowed: {
		http.StatusForbidden, "This site is not open to your account",
		"GitHub says who you are, but only certain people may come in here, and your account is not among them. If you use another account for this, sign in with that one. If you have been added just now, try again.", true, "Use another account",
	},
	KindSSO: {
		http.StatusForbidden, "Sign on at your organization first",
		"Whether you may come in depends on your organization, and that shows who belongs to it only after a single sign-on (SAML). Sign on there, then come back and sign in again.", true, "Sign in again",
	},
	KindHidden: {
		http.StatusForbidden, "Your membership can't be seen",
		"Only members of certain organizations or teams may come in here, and you have not allowed this site to see yours, which may be private. Continue to GitHub and allow it to read your organizations and teams.", true, "Continue to GitHub",
	},
	KindNotApproved: {
		http.StatusForbidden, "Your organization has not let this site in",
		"Only members of certain organizations or teams may come in here, and yours does not show its members to this site. Ask an owner of the organization to approve this site's app, or to install it with the permission to read members. Then sign in again.", true, "Sign in again",
	},
	KindCrossOrigin: {
		http.StatusForbidden, "Nothing was changed",
		"Another site asked to sign you out here, and we ignored it. To sign out, use this site's own button.", false, "",
	},
	KindMethod: {
		http.StatusMethodNotAllowed, "This address does not work that way",
		"Signing in begins with a link, and signing out with a button. Go back and use those.", false, "",
	},
	KindSuspended: {
		http.StatusServiceUnavailable, "Sign-in is switched off",
		"GitHub has suspended this site's access. You can't change that; the people who run this site can, with GitHub's support.", false, "",
	},
	KindConfig: {
		http.StatusServiceUnavailable, "Sign-in is not set up correctly",
		"GitHub refused this site's own credentials, not yours. The people who run this site need to check its client id, client secret and callback URL. You have not been signed out.", false, "",
	},
	KindUnavailable: {
		http.StatusServiceUnavailable, "Please try again in a moment",
		"GitHub, or a part of this site, did not answer. You have not been signed out by this.", true, "Try again",
	},
	KindInternal: {
		http.StatusInternalServerError, "Something went wrong",
		"This isn't your fault. Try again, and tell the people who run this site if it keeps happening.", true, "Try again",
	},
	KindGitHub: {
		http.StatusBadGateway, "GitHub could not do this",
		"GitHub answered this site's request with an error. You are still signed in. Try again in a moment.", false, "",
	},
}

// writePage fills the page in by hand: html/template would double the size of a program that has no other use for it, see
// docs/performance.md. All that goes in is escaped, for text and for quoted attributes alike.
func (a *Authenticator) writePage(w http.ResponseWriter, r *http.Request, p *Problem) {
	t := texts[p.Kind]
	var links strings.Builder
	class := ` class="primary"` // For the first.
	link := func(to, label string) {
		if to != "" {
			links.WriteString("<a" + class + ` href="` + html.EscapeString(to) + `">` + html.EscapeString(label) + "</a>\n")
			class = ""
		}
	}
	if to, host := p.link(); to != "" {
		link(to, "Continue to "+host)
	}
	switch {
	case p.Kind == KindUnavailable && p.ReturnTo != "" && !a.isOnRoute(r):
		link(a.returnPath(p.ReturnTo), t.label) // Who is signed in needs no other sign-in, which would meet the same outage.
	case t.retry:
		link(a.wayOn(p), t.label)
	}
	link(a.cfg.MountPath+"/", "Go to the start page")
	page := strings.NewReplacer("{style}", pageStyle, "{title}", html.EscapeString(t.title), "{detail}", html.EscapeString(p.Detail()), "{links}\n", links.String())

	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", pagePolicy)
	w.WriteHeader(p.Status())
	if r.Method != http.MethodHead {
		_, _ = io.WriteString(w, page.Replace(pageSource))
	}
}
