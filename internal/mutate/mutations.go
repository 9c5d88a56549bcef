package main

// The packages whose tests look for mutants.
const (
	web     = "./middleware"
	domain  = "./grant"
	github  = "./oauth"
	webPlus = "./middleware ./oauth"
)

// none says that there is no second place.
var none [2]string

// mutations are the security checks of the library, each with what stands there once it is taken out.
var mutations = []mutation{
	// A sign-in under way.
	{"state is not compared", "middleware/attempt.go", `ok && oauth.NewSecret(t.State).Equal(oauth.NewSecret(state))`, `ok && oauth.NewSecret(t.State).Equal(oauth.NewSecret(t.State))`, web, none},
	{"attempt never expires", "middleware/attempt.go", ` && time.Now().UnixMilli() < t.Expires`, ``, web, none},
	{"attempt is not used up", "middleware/attempt.go", "	a.clear(w, c.Name)\n	t, ok := a.open(c)", "	t, ok := a.open(c)", web, none},
	{"attempts are not bounded", "middleware/attempt.go", `n > 0 && size > maxAttemptBytes`, `n > len(all)`, web, none},
	{"attempt cookie is open to scripts", "middleware/attempt.go", "		HttpOnly: true,\n		Secure:   a.secure,", "		HttpOnly: false,\n		Secure:   a.secure,", web, none},
	{"cookies have no __Host- prefix", "middleware/attempt.go", `return "__Host-" + name`, `return name`, web, none},
	{"attempt counts though it does not open", "middleware/attempt.go", "	return t, ok\n}\n\nfunc (a *attempts) open", "	return t, true\n}\n\nfunc (a *attempts) open", web, none},
	{"doubled parameters are taken", "middleware/callback.go", `if len(q["state"]) > 1 || len(q["code"]) > 1 || len(q["error"]) > 1 {`, `if len(q["state"]) > 9 {`, web, none},
	{"code of an installation is exchanged", "middleware/callback.go", `if !ok && isInstallation(q) {`, `if ok = ok || isInstallation(q); !ok {`, web, none},
	{"installation id goes on as it came", "middleware/callback.go", `if n, err := strconv.ParseUint(s, 10, 63); err == nil {
		return strconv.FormatUint(n, 10)
	}
	return ""`, `if n, err := strconv.ParseUint(s, 10, 63); err == nil {
		return strconv.FormatUint(n, 10)
	}
	return s`, web, none},
	{
		"sealed value opens under any name", "middleware/seal.go", `sealed, []byte(name)); err == nil`, `sealed, nil); err == nil || name == ""`, web,
		[2]string{`nil, plain, []byte(name))`, `nil, plain, nil)`},
	},
	{"state may be empty", "oauth/authorize.go", `if a.State == "" {`, `if false {`, github, none},
	{"no PKCE challenge", "oauth/authorize.go", `if !c.host.NoPKCE {`, `if c.host.NoPKCE {`, webPlus, none},
	{"verifier may be missing", "oauth/exchange.go", `if verifier.IsZero() && !c.host.NoPKCE {`, `if false {`, github, none},
	{"verifier is not sent", "oauth/exchange.go", `params = append(params, oauth2.VerifierOption(verifier.Reveal()))`, `_ = verifier`, webPlus, none},
	{"empty secrets are equal", "oauth/secret.go", `if s.IsZero() || other.IsZero() {`, `if false {`, github, none},

	// Where a sign-in ends.
	{
		"return path may be another site", "middleware/returnto.go", `if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" {`, `if err != nil {`, web,
		[2]string{`return local.String()`, `_ = local
	return raw`},
	},
	{"return path may hold backslashes and tabs", "middleware/returnto.go", `if r <= ' ' || r == '\\' || r == 0x7f {`, `if r == 0 {`, web, none},
	{"return path may be another site once decoded", "middleware/returnto.go", `if len(u.Path) > 1 && (u.Path[1] == '/' || u.Path[1] == '\\') {`, `if false {`, web, none},
	{"return path is not bounded", "middleware/returnto.go", `len(raw) > maxReturnPath || `, ``, web, none},
	{"return path may be the login route", "middleware/returnto.go", `|| a.isRoute(path.Clean(u.Path))`, `|| path.Clean(u.Path) == "."`, web, none},

	// Who is signed in.
	{"login id need not be in the grant", "grant/record.go", `return ok && now.Before(l.Expires)`, `return ok || now.Before(l.Expires.AddDate(9999, 0, 0))`, domain, none},
	{"login never expires", "grant/record.go", `return ok && now.Before(l.Expires)`, `return ok && l.Expires.After(time.Time{})`, domain, none},
	{"another app's grant counts", "grant/standing.go", `return r.ClientID == m.app.ClientID() && r.signedIn`, `return r.signedIn`, domain, none},
	{"sign-out leaves the token", "grant/signout.go", `m.revokeSignedOut(ctx, userID, r.Lineage, r.Token.oauth())`, `_ = r`, domain, none},
	{"who was signed out signs others out", "grant/signout.go", `return stands && r.dropOthers(s.LoginID)`, `return r.dropOthers(s.LoginID)`, domain, none},
	{"who was signed out sees the logins", "middleware/logins.go", `if err == nil && (len(logins) == 0 || !logins[0].Current) {`, `if err == nil && len(logins) == 0 {`, web, none},
	{"user agent is not bounded", "grant/logins.go", `if b.Len()+utf8.RuneLen(r) > most {`, `if false {`, domain, none},
	{"query of a post says what to end", "middleware/logout.go", `r.PostFormValue("end")`, `r.FormValue("end")`, web, none},
	{"sign-out leaves the login", "grant/record.go", "	delete(r.Logins, loginID)\n", "", domain, none},
	{"session token is not renewed", "middleware/scssession.go", "	if err := s.of.manager.RenewToken(s.ctx); err != nil {\n		return fmt.Errorf(\"the session store did not renew", "	if err := s.ctx.Err(); err != nil {\n		return fmt.Errorf(\"the session store did not renew", web, none},
	{"Require lets anybody in", "middleware/authenticator.go", `case !v.signedIn:`, `case false:`, web, none},
	{"Require lets in while the store is away", "middleware/authenticator.go", `case v.err != nil:`, `case false:`, web, none},
	{"Require does not wait for a new sign-in", "middleware/authenticator.go", `case v.needsLogin != "":`, `case false:`, web, none},
	{"pages are kept for the back button", "middleware/authenticator.go", "			w.Header().Set(\"Cache-Control\", \"no-store\")\n			next.ServeHTTP(w, r)", "			next.ServeHTTP(w, r)", web, none},
	{"earlier user of the browser stays signed in", "middleware/callback.go", `if had && earlier.UserID != login.UserID {`, `if false {`, web, none},
	{"cookie session never expires", "middleware/cookiesession.go", `json.Unmarshal(plain, &v) == nil && now.Unix() < v.Expires && v.LoginID`, `json.Unmarshal(plain, &v) == nil && now.Unix() > 0 && v.LoginID`, web, none},
	{"another site can sign out", "middleware/logout.go", `if err := new(http.CrossOriginProtection).Check(r); err != nil {`, `if err := r.Context().Err(); err != nil {`, web, none},
	{"sign-out by a link", "middleware/authenticator.go", `return a.only(a.logout, http.MethodPost)`, `return a.only(a.logout, http.MethodPost, http.MethodGet)`, web, none},

	// Who may come in.
	{"gates are not asked at sign-in", "middleware/authenticator.go", `if len(o.gates.all) > 0 {`, `if len(o.gates.all) > 99 {`, web, none},
	{"gates are not asked again", "middleware/authenticator.go", `if v.err = a.gates.of(id.User.ID).check(r.Context(), id, standing.Token); v.err != nil {`, `if v.err != nil {`, web, none},
	{"gate that can't be asked lets in", "middleware/gatekeeper.go", `return &gateError{unknown, pauseAfterFailure}`, `return nil`, web, none},
	{"grace has no end", "middleware/gatekeeper.go", `if now.Sub(since) < k.grace {`, `if k.grace > 0 {`, web, none},
	{"outage makes grace of a no", "middleware/gatekeeper.go", `case isRefusal(e.err), e.err != nil && e.failed.IsZero() && e.of == token:`, `case false:`, web, none},
	{"who was refused stays signed in", "middleware/gatekeeper.go", `k.endLogins(ctx, id.User.ID)`, `_ = ctx`, web, none},
	{"somebody else's membership counts", "middleware/membership.go", ` || org.User.ID != id.User.ID`, ``, web, none},
	{"membership elsewhere counts", "middleware/membership.go", `!strings.EqualFold(org.Organization.Login, m.org) || `, ``, web, none},
	{"invited to a team is in it", "middleware/membership.go", `(!found || team.State != "active")`, `!found`, web, none},
	{"a proxy's no counts", "middleware/membership.go", `case !isGitHubs, `, `case !isGitHubs && false, `, web, none},
	{"token of who was refused lives on", "grant/admit.go", `m.revoke(ctx, tok, 0, "the user was not let in")`, `_ = r`, domain, none},
	{"reason of a gate is not escaped", "middleware/page.go", `html.EscapeString(p.Detail())`, `p.Detail()`, web, none},
	{"gate's link may be a script", "middleware/problem.go", `u.Scheme != "https" || u.Host == ""`, `u.Scheme == ""`, web, none},

	// What GitHub says of a user who withdrew the app.
	{"signature is not compared", "middleware/webhook.go", `if !signed {`, `if !signed && len(macs) == 0 {`, web, none},
	{"webhook secret may be empty", "middleware/webhook.go", `if text == "" || strings.TrimSpace(text) != text {`, `if strings.TrimSpace(text) == "none" {`, web, none},
	{"delivery is not bounded", "middleware/webhook.go", `most, to = maxRevocation, append(to, &kept)`, `to = append(to, &kept)`, web, none},
	{"word of a withdrawal is believed", "grant/verify.go", `if known, err := m.known(ctx, r); known || err != nil {`, `if err := ctx.Err(); err != nil {`, domain, none},
	{"newer sign-in is forgotten as well", "grant/verify.go", `if r.id() != gone.id() {`, `if gone == nil {`, domain, none},

	// Where tokens go.
	{"token goes to any host", "grant/transport.go", `if !m.app.Host().IsAPI(req.URL) {`, `if req.URL == nil {`, domain, none},
	{"redirects are followed with credentials", "oauth/transport.go", `return http.ErrUseLastResponse`, `return nil`, github, none},
	{"GitHub's answers are not bounded", "oauth/transport.go", `io.LimitReader(resp.Body, maxAnswer+1))`, `resp.Body)`, github, none},
	{"user may be number 0", "oauth/user.go", `return u.ID > 0 && u.Login != ""`, `return true`, github, none},
	{"log says the state", "middleware/callback.go", `"sign-in refused: no such attempt in this browser")`, `"sign-in refused: no such attempt in this browser", slog.String("state", q.Get("state")))`, web, none},
	{"secret prints", "oauth/secret.go", `_, _ = io.WriteString(f, redacted)`, `_, _ = io.WriteString(f, s.Reveal())`, github, none},
	{"error page may be framed", "middleware/page.go", `; frame-ancestors 'none'"`, `"`, web, none},
}
