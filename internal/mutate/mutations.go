package main

import "slices"

// The packages whose tests look for mutants.
const (
	web     = "./middleware"
	domain  = "./grant"
	github  = "./oauth"
	webPlus = "./oauth ./middleware"
	browser = "./e2e"
	wiring  = "./fxmodule"
)

// mutations are the security checks of the library, each with what stands there once it is taken out, and where to look for a
// test that fails.
var mutations = slices.Concat(theSignIn, theUsers)

// theSignIn is a sign-in, from its link to its end, and what browsers are told.
var theSignIn = []mutation{
	{"state is not compared", "middleware/attempt.go", `oauth.NewSecret(t.State).Equal(oauth.NewSecret(state))`, `oauth.NewSecret(t.State).Equal(oauth.NewSecret(t.State))`, web, "^(TestStateOfTheCookieMustBeTheOneOfTheCallback|TestAttemptWithoutItsPartsIsNone)$"},
	{"empty state equals empty", "middleware/attempt.go", `ok = ok && oauth.NewSecret(t.State).Equal(oauth.NewSecret(state)) &&`, `ok = ok && (t.State == state || oauth.NewSecret(t.State).Equal(oauth.NewSecret(state))) &&`, web, "^(TestStateOfTheCookieMustBeTheOneOfTheCallback)$"},
	{"empty secrets are equal", "oauth/secret.go", "\tif s.IsZero() || other.IsZero() {\n\t\treturn false\n\t}\n\treturn subtle", `	return subtle`, github, "^(TestSecretEqual|ExampleSecret)$"},
	{"attempts never expire", "middleware/attempt.go", ` && time.Now().UnixMilli() < t.Expires`, ``, web, "^(TestExpiredAttemptIsRefusedByTheServerToo|TestAttemptWithoutItsPartsIsNone)$"},
	{"attempt's cookie is not cleared", "middleware/attempt.go", "\ta.clear(w, c.Name)\n\tt, ok := a.open(c)", `	t, ok := a.open(c)`, web, "^(TestStateOfTheCookieMustBeTheOneOfTheCallback|TestTenTabsAtOnceEachLandOnTheirOwnPage|TestCookiesAreTheHostsOwnAndOutOfScriptsReach)$"},
	{"PKCE: no challenge", "oauth/authorize.go", `params = append(params, oauth2.S256ChallengeOption(a.Verifier.Reveal()))`, `_ = a.Verifier.Reveal()`, webPlus, "^(TestAuthorizeURL|ExampleClient_AuthorizeURL|TestNoTokenCrossesFromOneGitHubToTheOther|TestVisitorSignsInAndLandsWhereTheyWereGoing)$"},
	{"PKCE: no verifier", "oauth/exchange.go", `params = append(params, oauth2.VerifierOption(verifier.Reveal()))`, `_ = params`, web, "^(TestNoTokenCrossesFromOneGitHubToTheOther|TestCookiesAreTheHostsOwnAndOutOfScriptsReach|TestVisitorSignsInAndLandsWhereTheyWereGoing|TestAMethodInDisguiseSignsNobodyOut)$"},
	{"PKCE: plain", "oauth/authorize.go", `params = append(params, oauth2.S256ChallengeOption(a.Verifier.Reveal()))`, `params = append(params, oauth2.SetAuthURLParam("code_challenge", a.Verifier.Reveal()), oauth2.SetAuthURLParam("code_challenge_method", "plain"))`, webPlus, "^(TestAuthorizeURLLeavesTheCallersScopesAlone|TestAuthorizeURL|ExampleClient_AuthorizeURL|TestNoTokenCrossesFromOneGitHubToTheOther)$"},
	{"PKCE: one verifier for all", "middleware/login.go", `verifier := oauth.NewVerifier()`, `verifier := oauth.NewSecret("one-verifier-for-everybody-0123456789-0123456789")`, web, "^(TestCodeOfAnotherSignInIsRefused)$"},
	{"verifier may be missing", "oauth/exchange.go", `if verifier.IsZero() && !c.host.NoPKCE {`, `if false {`, github, "^(TestExchangeWithoutCodeOrVerifierAsksNobody)$"},
	{"state comes from the link", "middleware/login.go", `t.State = oauth.NewState()`, "if t.State = q.Get(\"state\"); t.State == \"\" {\n\t\tt.State = oauth.NewState()\n\t}", web, "^(TestLinkOrPlantedCookieChoosesNoState)$"},
	{"doubled parameters pass", "middleware/callback.go", `if len(q["state"]) > 1 || len(q["code"]) > 1 || len(q["error"]) > 1 {`, `if false {`, web, "^(TestCallbackWithoutItsAttemptSignsNobodyInAndCostsGitHubNothing)$"},
	{"code is redeemed before the state is known", "middleware/callback.go", `t, ok := a.attempts.finish(w, r, q.Get("state"))`, "t, ok := a.attempts.finish(w, r, q.Get(\"state\"))\n\tif q.Get(\"code\") != \"\" {\n\t\t_, _ = a.app.Exchange(r.Context(), q.Get(\"code\"), oauth.NewVerifier())\n\t}", web, "^(TestFloodOfSignInsStoresNothing|TestNoTokenCrossesFromOneGitHubToTheOther|TestAppsSessionsWithoutLoadAndSave|TestMountedBelowAPrefix)$"},
	{"installation's code is believed", "middleware/callback.go", `if !ok && isInstallation(q) {`, `if ok = ok || isInstallation(q); false {`, web, "^(TestInstallationStartsASignInOfOurOwn)$"},
	{"return path: backslash", "middleware/returnto.go", " || strings.Contains(raw, `\\`)", ``, web, "^(TestReturnPathsThatLeadElsewhereAreRefused)$"},
	{"return path: blanks and control characters", "middleware/returnto.go", `strings.ContainsFunc(raw, notInPaths) || `, ``, web, "^(TestReturnPathsThatLeadElsewhereAreRefused)$"},
	{"return path: tabs", "middleware/returnto.go", `func notInPaths(r rune) bool { return r <= ' ' || r == 0x7f }`, `func notInPaths(r rune) bool { return r < '\t' || r == '\n' || r == '\r' || r == 0x7f }`, web, "^(TestReturnPathsThatLeadElsewhereAreRefused|TestNoHostileReturnPathLeadsAway|FuzzReturnPath)$"},
	{"return path: encoded control characters", "middleware/returnto.go", `if strings.ContainsFunc(strings.ReplaceAll(u.Path, " ", ""), notInPaths) {`, `if false {`, web, "^(TestNoHostileReturnPathLeadsAway|FuzzReturnPath)$"},
	{"return path: dot segments", "middleware/returnto.go", ` || slices.ContainsFunc(segments, isDots)`, ` || slices.ContainsFunc(segments[:0], isDots)`, web, "^(TestNoSignInEndsElsewhere|TestNoHostileReturnPathLeadsAway|FuzzReturnPath)$"},
	{"return path: encoded slashes", "middleware/returnto.go", `len(u.Path) > 1 && (u.Path[1] == '/' || u.Path[1] == '\\') || `, ``, web, "^(TestNoSignInEndsElsewhere|TestReturnPathsThatLeadElsewhereAreRefused|TestNoHostileReturnPathLeadsAway|FuzzReturnPath)$"},
	{"return path: other sites", "middleware/returnto.go", `u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" || `, ``, web, "^(TestReturnPathsThatLeadElsewhereAreRefused|TestNoHostileReturnPathLeadsAway|ExampleNew_errors)$"},
	{"return path: need not be absolute", "middleware/returnto.go", ` || !strings.HasPrefix(u.Path, "/")`, ``, web, "^(TestReturnPathsThatLeadElsewhereAreRefused|TestNoHostileReturnPathLeadsAway|FuzzReturnPath)$"},
	{"return path: any length", "middleware/returnto.go", `if p := local.String(); len(p) <= maxReturnPath {`, `if p := local.String(); true {`, web, "^(TestReturnPathsThatLeadElsewhereAreRefused|TestAttemptFitsIntoACookieWhateverItsReturnPath)$"},
	{"return path: unchecked", "middleware/returnto.go", "\tp := localPath(raw)\n", "\tp := raw\n", web, "^(TestDoubledParametersOfALinkAreHarmless|TestASignInNeverReturnsToItsOwnRoutes|TestNoHostileReturnPathLeadsAway|TestNoSignInEndsElsewhere)$"},
	{"link asks for any scope", "middleware/scopes.go", `if slices.Contains(s.known, scope) && `, `if `, web, "^TestLinkCantAskForScopesThatNoHandlerNeeds$"},
	{"link repeats a scope", "middleware/scopes.go", ` && !slices.Contains(asked, scope)`, ``, web, "^TestLinkThatRepeatsAScopeIsAsGoodAsAnother$"},
	{"return path: the page itself is unchecked", "middleware/returnto.go", `return a.returnPath(u.String())`, `return u.String()`, web, "^(TestPageThatNeedsMoreScopesLeadsNobodyAway)$"},
	{"return path: to the routes", "middleware/returnto.go", `a.isRoute(path.Clean(u.Path))`, `path.Clean(u.Path) == ""`, web, "^(TestASignInNeverReturnsToItsOwnRoutes|TestRoutesInDisguiseAreNoPlaceToReturnTo|FuzzReturnPath)$"},
	{"return path: to the routes in disguise", "middleware/returnto.go", `a.isRoute(path.Clean(u.Path))`, `a.isRoute(u.Path) && path.Clean(u.Path) != ""`, web, "^(TestRoutesInDisguiseAreNoPlaceToReturnTo)$"},
	{"sealed text fits any name", "middleware/seal.go", `aead.Open(nil, nil, sealed, []byte(name))`, `aead.Open(nil, nil, sealed, nil)`, web, "^(TestStateOfTheCookieMustBeTheOneOfTheCallback|TestNoTokenCrossesFromOneGitHubToTheOther|TestScopesCountAtOnceOnAReplicaThatRemembersTheOldToken|TestWhoComesBackWithoutTheScopeGetsAPageAndNoLoop)$"},
	{"one key for all purposes", "middleware/seal.go", `hkdf.Key(sha256.New, []byte(secret.Reveal()), nil, purpose, 32)`, `hkdf.Key(sha256.New, []byte(secret.Reveal()), nil, purpose[:0], 32)`, web, "^(TestOneKeyServesEachPurposeApart)$"},
	{"only the first key opens", "middleware/seal.go", `for _, aead := range s {`, `for _, aead := range s[:1] {`, web, "^(TestCookieSessionsOpenWithEveryKeyAndAreSealedAnewInTime|TestCookieKeysRotate)$"},
	{"the last key seals", "middleware/seal.go", `s[0].Seal(`, `s[len(s)-1].Seal(`, web, "^(TestCookieSessionsOpenWithEveryKeyAndAreSealedAnewInTime)$"},
	{"a cookie has many spellings", "middleware/seal.go", `base64.RawURLEncoding.Strict()`, `base64.RawURLEncoding`, web, "^(TestSealedTextHasOneSpelling)$"},
	{"no __Host- prefix", "middleware/attempt.go", `return "__Host-" + name`, `return name`, web, "^(TestSchemeInCapitalsIsAsSecure|TestCookiesAreTheHostsOwnAndOutOfScriptsReach)$"},
	{"no __Host- prefix, in a browser", "middleware/attempt.go", `return "__Host-" + name`, `return name`, browser, "^(TestSubDomainTossesCookiesInVain)$"},
	{"attempt's cookie is open to scripts", "middleware/attempt.go", `HttpOnly: true,`, `HttpOnly: false,`, web, "^(TestOnLoopbackCookiesWorkWithoutHTTPS|TestCookiesAreTheHostsOwnAndOutOfScriptsReach)$"},
	{"attempt's cookie goes over http", "middleware/attempt.go", `Secure:   a.secure,`, `Secure:   false,`, web, "^(TestSchemeInCapitalsIsAsSecure|TestCookiesAreTheHostsOwnAndOutOfScriptsReach|TestHostAndForwardedHeadersAreNotBelieved)$"},
	{"attempt's cookie goes along from other sites", "middleware/attempt.go", `SameSite: http.SameSiteLaxMode,`, `SameSite: http.SameSiteNoneMode,`, web, "^(TestCookiesAreTheHostsOwnAndOutOfScriptsReach)$"},
	{"session's cookie goes along from other sites", "middleware/cookiesession.go", `SameSite: http.SameSiteLaxMode,`, `SameSite: http.SameSiteNoneMode,`, web, "^(TestCookieOfASealedSessionIsTheHostsOwnAndOutOfScriptsReach)$"},
	{"session's sealed cookie is open to scripts", "middleware/cookiesession.go", `HttpOnly: true,`, `HttpOnly: false,`, web, "^(TestCookieOfASealedSessionIsTheHostsOwnAndOutOfScriptsReach)$"},
	{"attempts without bound", "middleware/attempt.go", `maxAttemptBytes = 6 << 10`, `maxAttemptBytes = 6 << 20`, web, "^(TestAttemptsThatNobodyFinishesStayBounded)$"},
	{"made-up cookies are all answered", "middleware/attempt.go", `maxCleared = 32`, `maxCleared = 1 << 20`, web, "^(TestThousandsOfCookiesCostLittle)$"},
	{"session token is kept at sign-in", "middleware/scssession.go", "if err := s.of.manager.RenewToken(s.ctx); err != nil {\n\t\treturn fmt", "if err := s.ctx.Err(); err != nil {\n\t\treturn fmt", web, "^(TestSessionThatWasPlantedIsNeverSignedIn|TestAppsOwnSessions)$"},
	{"login id is not looked for", "grant/record.go", `return ok && now.Before(l.Expires)`, `return ok || !now.Before(l.Expires)`, web, "^(TestNewOwnerOfALoginIsAnotherUser|TestSessionThatComesBackFromTheDeadIsNotSignedIn|TestSigningInAgainAfterSignOutEverywhere|TestSessionThatWasPlantedIsNeverSignedIn)$"},
	{"logins never end", "grant/record.go", `return ok && now.Before(l.Expires)`, `return ok && !l.Expires.IsZero()`, domain, "^(TestLoginEndsWithItsLifetime)$"},
	{"sealed session may be idle for ever", "middleware/cookiesession.go", `return s.idle > 0 && now`, `return s.idle < 0 && now`, web, "^TestSessionEndsWhenItIsNotUsed$"},
	{"session in memory may be idle for ever", "middleware/scssession.go", "if s.idle.most > 0 {\n\t\tfound", "if s.idle.most < 0 {\n\t\tfound", web, "^TestSessionEndsWhenItIsNotUsed$"},
	{"sealed session that was idle still counts", "middleware/cookiesession.go", `get() (grant.Session, bool) { return s.named(!s.idle) }`, `get() (grant.Session, bool) { return s.named(true) }`, web, "^(TestSessionEndsWhenItIsNotUsed|TestSessionThatWasNotUsedEndsNoOtherLogin)$"},
	{"session in memory that was idle still counts", "middleware/scssession.go", `get() (grant.Session, bool) { return s.named(!s.idle) }`, `get() (grant.Session, bool) { return s.named(true) }`, web, "^(TestSessionEndsWhenItIsNotUsed|TestSessionThatWasNotUsedEndsNoOtherLogin)$"},
	{"sign-in leaves the idle one before it", "middleware/callback.go", `if idled {`, `if idled && err != nil {`, web, "^TestSignOutAfterIdlingRevokesTheToken$"},
	{"sign-out leaves the idle sign-in", "middleware/logout.go", `if !ok && which == "" {`, `if !ok && which != "" {`, web, "^TestSignOutAfterIdlingRevokesTheToken$"},
	{"cache hands a sealed cookie on", "middleware/cookiesession.go", `w.Header().Add("Vary", "Cookie")`, `_ = w`, web, "^TestCacheThatMayKeepAResponseHandsItsCookieToNobodyElse$"},
	{"outage passes for idling", "middleware/authenticator.go", "\tsession.renew(w) // It", "\tif err == nil {\n\t\tsession.renew(w)\n\t} // It", web, "^TestOutageDoesNotPassForIdling$"},
	{"sealed session never ends", "middleware/cookiesession.go", `now.Unix() < v.Expires && `, `now.Unix() > 0 && `, web, "^(TestSealedSessionThatRanOutCostsTheStoreNothing)$"},
	{"app's insecure session cookie is taken", "middleware/options.go", `if cookie := o.sessions.Cookie; secure && !cookie.Secure || !cookie.HttpOnly {`, `if false {`, web, "^(TestForgottenArgumentsAreErrorsNotPanics)$"},
	{"another site signs out", "middleware/logout.go", `if err := new(http.CrossOriginProtection).Check(r); err != nil {`, `if false {`, web, "^(TestProblemsRepeatNothingOfTheRequest|TestNoOtherSiteCanSignAnybodyOut)$"},
	{"another site signs out, in a browser", "middleware/logout.go", `if err := new(http.CrossOriginProtection).Check(r); err != nil {`, `if false {`, browser, "^(TestNoOtherOriginSignsAnybodyOut)$"},
	{"a link signs out", "middleware/authenticator.go", `return a.only(a.logout, http.MethodPost)`, `return a.only(a.logout, http.MethodPost, http.MethodGet)`, web, "^(TestAMethodInDisguiseSignsNobodyOut|TestProblemsRepeatNothingOfTheRequest|TestNoOtherSiteCanSignAnybodyOut)$"},
	{"HEAD and POST finish a sign-in", "middleware/authenticator.go", `return a.only(a.finishLogin, http.MethodGet)`, `return a.only(a.finishLogin, http.MethodGet, http.MethodHead, http.MethodPost)`, web, "^(TestProblemsRepeatNothingOfTheRequest|TestCallbackIsForGETAlone)$"},
	{"pages may be kept", "middleware/authenticator.go", "\t\tdefault:\n\t\t\tw.Header().Set(\"Cache-Control\", \"no-store\")", `		default:`, web, "^(TestRequiredPagesAreNotKeptForTheBackButton)$"},
	{"pages may be kept, in a browser", "middleware/authenticator.go", "\t\tdefault:\n\t\t\tw.Header().Set(\"Cache-Control\", \"no-store\")", `		default:`, browser, "^(TestBackButtonAfterSignOutShowsNothing)$"},
	{"a body is read", "middleware/logout.go", `maxLogoutForm = 16 << 10`, `maxLogoutForm = 16 << 20`, web, "^(TestBodiesAreReadNoFurtherThanAFormGoes)$"},
	{"answers up to 64 MB", "oauth/transport.go", `const maxAnswer = 1 << 20`, `const maxAnswer = 1 << 26`, github, "^(TestLongestAnswerIsRead|TestAnswerTooLongIsNotRead|TestServersThatAreNoGitHub)$"},
	{"redirects are followed", "oauth/transport.go", `return http.ErrUseLastResponse`, `return nil`, github, "^(TestRedirectIsRefused|TestRedirectGetsNothingWhateverTheClientAllows)$"},
	{"calls without an end", "oauth/transport.go", `ctx, cancel := context.WithTimeout(ctx, c.timeout)`, `ctx, cancel := context.WithCancel(ctx)`, github, "^(TestEachCallEndsInTime)$"},
	{"user 0", "oauth/user.go", `return u.ID > 0 && u.Login != ""`, `return u.Login != ""`, webPlus, "^(TestAnswersThatNameNobody|TestSignInAtAGitHubThatAnswersNonsense)$"},
	{"JSON repeats the request", "middleware/problem.go", `Detail: p.Detail(), Kind`, `Detail: p.Detail() + p.Err.Error(), Kind`, web, "^(TestStoreAwayIs503AndSignsNobodyOut)$"},
	{"no Content-Security-Policy", "middleware/page.go", "\tw.Header().Set(\"Content-Security-Policy\", pagePolicy)\n", ``, web, "^(TestAnAttemptAtOneGitHubIsNoneAtTheOther|TestWhoComesBackWithoutTheScopeGetsAPageAndNoLoop|TestFailTellsSignInTroubleFromGitHubTrouble|TestOutageOfTheStoreGoesUnnoticedWhileWhatIsKnownIsGood)$"},
	{"a page with a script", "middleware/pages/problem.html", `</main>`, `</main><script>1</script>`, browser, "^(TestProblemPagesRunNoScriptAndLoadNothing)$"},
	{"a page with another site's style", "middleware/pages/problem.html", `<style>`, `<link rel="stylesheet" href="https://fonts.test/x.css"><style>`, browser, "^(TestProblemPagesRunNoScriptAndLoadNothing)$"},
	{"pale text", "middleware/pages/problem.css", `--soft: #4b5563`, `--soft: #b0b0b0`, browser, "^(TestPagesPassTheRulesOfAxe)$"},
	{"pale text in the dark", "middleware/pages/problem.css", `--soft: #b3bac6`, `--soft: #50555c`, browser, "^(TestPagesPassTheRulesOfAxe)$"},
	{"X-Forwarded-Host is believed", "middleware/login.go", `to, err := a.app.AuthorizeURL(authorize)`, "to, err := a.app.AuthorizeURL(authorize)\n\tif h := r.Header.Get(\"X-Forwarded-Host\"); h != \"\" {\n\t\tu, _ := url.Parse(to)\n\t\tq := u.Query()\n\t\tq.Set(\"redirect_uri\", \"https://\"+h+\"/auth/github/callback\")\n\t\tu.RawQuery = q.Encode()\n\t\tto = u.String()\n\t}", web, "^(TestHostAndForwardedHeadersAreNotBelieved)$"},
	{"Host is believed", "middleware/login.go", `Host: there.Host,`, `Host: r.Host,`, web, "^(TestOnLoopbackASignInBeginsAtTheNameItWillEndAt)$"},
	{"a sign-in leaves something behind", "middleware/attempt.go", "name := a.name(t.State)\n", "name := a.name(t.State)\n\thttp.Handle(\"/\"+name, http.NotFoundHandler())\n", web, "^(TestFloodOfSignInsStoresNothing)$"},
	{"a refused callback leaves something behind", "middleware/callback.go", "\tif !ok {\n\t\ta.log", "\tif !ok {\n\t\thttp.Handle(\"/\"+oauth.NewState(), http.NotFoundHandler())\n\t\ta.log", web, "^(TestFloodOfSignInsStoresNothing)$"},
	{"another user's earlier session lives on", "middleware/callback.go", `if had && earlier.UserID != login.UserID {`, `if false {`, web, "^(TestChangingAccountsEndsTheFirst)$"},
	{"cookies on loopback's rules for all", "middleware/authenticator.go", `secure := cfg.redirectURL().Scheme == "https"`, `secure := false && cfg.redirectURL().Scheme == "https"`, web, "^(TestSchemeInCapitalsIsAsSecure|TestCookiesAreTheHostsOwnAndOutOfScriptsReach|TestSignOutIsAnsweredBeforeTheEndOfItsBody)$"},
	{"formats are not looked at", "grant/record.go", `case r.Format != format:`, `case r.Format < 0:`, domain, "^(TestUnknownFormatIsAnErrorAndNothingIsOverwritten)$"},
	{"return path: broken text", "middleware/returnto.go", `!utf8.ValidString(raw) || `, `!utf8.ValidString("") || `, web, "^(TestAttemptFitsIntoACookieWhateverItsReturnPath)$"},
	{"return path: & takes six bytes", "middleware/attempt.go", `encoder.SetEscapeHTML(false)`, `encoder.SetEscapeHTML(true)`, web, "^(TestAttemptFitsIntoACookieWhateverItsReturnPath)$"},
	{"callback may be cached", "middleware/authenticator.go", "\t\tw.Header().Set(\"Cache-Control\", \"no-store\")\n\t\tw.Header().Set(\"Referrer-Policy\", \"no-referrer\")\n\t\tif slices", `		if slices`, web, "^(TestCodeLeaksByNoRefererCacheHistoryNorForm)$"},
	{"callback answers with 307", "middleware/callback.go", `withInstallation(t.ReturnTo, t.Installation), http.StatusSeeOther)`, `withInstallation(t.ReturnTo, t.Installation), http.StatusTemporaryRedirect)`, web, "^(TestCodeLeaksByNoRefererCacheHistoryNorForm)$"},
	{"Try again leads to where the path looks like", "middleware/page.go", `link(a.returnPath(p.ReturnTo), t.label)`, `link(p.ReturnTo, t.label)`, web, "^(TestTryAgainLeadsToNoOtherSite)$"},
	{"our pages can be framed", "middleware/page.go", `; frame-ancestors 'none'`, ``, web, "^(TestPagesCantBeFramedNorSendForms)$"},
}

// theUsers is who is signed in, who may come in, where tokens go, and what is said of all that.
var theUsers = []mutation{
	{"attempt counts though it does not open", "middleware/attempt.go", "	return t, ok\n}\n\nfunc (a *attempts) open", "	return t, true\n}\n\nfunc (a *attempts) open", web, ""},
	{"installation id goes on as it came", "middleware/callback.go", "\t}\n\treturn \"\"\n}", "\t}\n\treturn s\n}", web, ""},
	{"state may be empty", "oauth/authorize.go", `if a.State == "" {`, `if false {`, github, ""},
	{"login id need not be in the grant", "grant/record.go", `return ok && now.Before(l.Expires)`, `return ok || now.Before(l.Expires.AddDate(9999, 0, 0))`, domain, ""},
	{"another app's grant counts", "grant/standing.go", `return r.ClientID == m.app.ClientID() && r.signedIn`, `return r.signedIn`, domain, ""},
	{"sign-out leaves the token", "grant/signout.go", `m.revokeSignedOut(ctx, userID, r.Lineage, r.Token.oauth())`, `_ = r`, domain, ""},
	{"who was signed out signs others out", "grant/signout.go", `return stands && r.dropOthers(s.LoginID)`, `return r.dropOthers(s.LoginID)`, domain, ""},
	{"user agent is not bounded", "grant/logins.go", `if b.Len()+utf8.RuneLen(r) > most {`, `if false {`, domain, ""},
	{"sign-out revokes a token that is in use", "grant/signout.go", `if !r.Token.AccessToken.Equal(after.Token.AccessToken.Secret) {`, `if r != after {`, domain, "^TestSignOutDoesNotRevokeATokenThatASignInGotAgain$"},
	{"one token is checked for another", "grant/check.go", `fmt.Sprintf("check %d %s %d", userID, used.Lineage, used.Generation)`, `fmt.Sprintf("check %d", userID)`, domain, "^TestTokenCheckOfTheTokenBeforeSaysNothingOfANewSignIn$"},
	{"what follows a form may take forever", "middleware/logout.go", `_, err = io.Copy(io.Discard, r.Body)`, `_ = io.Discard`, web, "^TestSignOutDoesNotWaitForAFormThatTrickles$"},
	{"a gate that fx does not see", "fxmodule/module.go", `if p.Untagged != nil {`, `if false {`, wiring, "^TestOptionThatNobodyWouldTakeIsAnError$"},
	{"query of a post says what to end", "middleware/logout.go", `r.PostFormValue("end")`, `r.FormValue("end")`, web, ""},
	{"sign-out leaves the login", "grant/record.go", "	delete(r.Logins, loginID)\n", "", domain, ""},
	{"Require lets anybody in", "middleware/authenticator.go", `case !v.signedIn:`, `case false:`, web, ""},
	{"Require lets in while the store is away", "middleware/authenticator.go", `case v.err != nil:`, `case false:`, web, ""},
	{"Require does not wait for a new sign-in", "middleware/authenticator.go", `case v.needsLogin != "":`, `case false:`, web, ""},
	{"users share a client", "middleware/authenticator.go", `a.clients.of(standing.User.ID)`, `a.clients.of(0 * standing.User.ID)`, web, ""},
	{"who was signed out sees the logins", "middleware/logins.go", `if err == nil && (len(logins) == 0 || !logins[0].Current) {`, `if err == nil && len(logins) == 0 {`, web, ""},

	// Who may come in.
	{"gates are not asked at sign-in", "middleware/authenticator.go", `if len(o.gates.all) > 0 {`, `if len(o.gates.all) > 99 {`, web, ""},
	{"gates are not asked again", "middleware/authenticator.go", `if v.err = a.gates.of(id.User.ID).check(r.Context(), id, standing.Token); v.err != nil {`, `if v.err != nil {`, web, ""},
	{"gate that can't be asked lets in", "middleware/gatekeeper.go", `return &gateError{unknown, pauseAfterFailure}`, `return nil`, web, ""},
	{"grace has no end", "middleware/gatekeeper.go", `if now.Sub(since) < k.grace {`, `if k.grace > 0 {`, web, ""},
	{"outage makes grace of a no", "middleware/gatekeeper.go", `case isRefusal(e.err), e.err != nil && e.failed.IsZero() && e.of == token:`, `case false:`, web, ""},
	{"who was refused stays signed in", "middleware/gatekeeper.go", `k.endLogins(ctx, id.User.ID)`, `_ = ctx`, web, ""},
	{"somebody else's membership counts", "middleware/membership.go", ` || org.User.ID != id.User.ID`, ``, web, ""},
	{"membership elsewhere counts", "middleware/membership.go", `!strings.EqualFold(org.Organization.Login, m.org) || `, ``, web, ""},
	{"invited to a team is in it", "middleware/membership.go", `(!found || team.State != "active")`, `!found`, web, ""},
	{"a proxy's no counts", "middleware/membership.go", `case !isGitHubs, `, `case !isGitHubs && false, `, web, ""},
	{"token of who was refused lives on", "grant/admit.go", `m.revoke(ctx, tok, 0, "the user was not let in")`, `_ = tok`, domain, ""},
	{"reason of a gate is not escaped", "middleware/page.go", `html.EscapeString(p.Detail())`, `p.Detail()`, web, ""},
	{"gate's link may be a script", "middleware/problem.go", `u.Scheme != "https" || u.Host == ""`, `u.Scheme == ""`, web, ""},

	// What GitHub says of a user who withdrew the app.
	{"signature is not compared", "middleware/webhook.go", `if !signed {`, `if !signed && len(macs) == 0 {`, web, ""},
	{"webhook secret may be empty", "middleware/webhook.go", `if text == "" || strings.TrimSpace(text) != text {`, `if strings.TrimSpace(text) == "none" {`, web, ""},
	{"delivery is not bounded", "middleware/webhook.go", `most, to = maxRevocation, append(to, &kept)`, `to = append(to, &kept)`, web, ""},
	{"word of a withdrawal is believed", "grant/verify.go", `if known, err := m.known(ctx, r); known || err != nil {`, `if err := ctx.Err(); err != nil {`, domain, ""},
	{"newer sign-in is forgotten as well", "grant/verify.go", `if r.id() != gone.id() {`, `if gone == nil {`, domain, ""},

	// Where tokens go.
	{"token goes to any host", "grant/transport.go", `if !m.app.Host().IsAPI(req.URL) {`, `if req.URL == nil {`, domain, ""},
	{"log says the state", "middleware/callback.go", `"sign-in refused: no such attempt in this browser")`, `"sign-in refused: no such attempt in this browser", slog.String("state", q.Get("state")))`, web, ""},
	{"secret prints", "oauth/secret.go", `_, _ = io.WriteString(f, redacted)`, `_, _ = io.WriteString(f, s.Reveal())`, github, ""},
}
