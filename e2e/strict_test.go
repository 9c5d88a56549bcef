package e2e

import (
	"testing"

	"github.com/chromedp/chromedp"
)

func TestPagesObeyTheirOwnContentSecurityPolicy(t *testing.T) {
	t.Parallel()
	tab := newBrowser(t)
	s := startSite(t)
	console := chromedp.Console(tab)

	do(tab, t, chromedp.Navigate(s.home), chromedp.Click(signInButton), chromedp.Click(authorizeButton), chromedp.WaitVisible(signOutButton))
	pages := []string{"", "repos", "me", "auth/github/callback?state=x", "auth/github/logout"}
	for _, page := range pages {
		resp := read(tab, t, chromedp.NavigateResponse(s.home+page))
		if style := read(tab, t, chromedp.Evaluate[int]("document.styleSheets.length")); style == 0 && resp.MimeType == "text/html" {
			t.Errorf("/%s has no style", page)
		}
		if external := read(tab, t, chromedp.Evaluate[[]string](
			`performance.getEntriesByType("resource").map(e => e.name).filter(u => !u.startsWith(location.origin + "/"))`,
		)); len(external) > 0 {
			t.Errorf("/%s loads from other sites: %q", page, external)
		}
	}
	do(tab, t, chromedp.Navigate(s.home), chromedp.Click(signOutButton), chromedp.WaitVisible(signInButton))

	// Everything that was said before this is read by the time it comes up.
	const last = "end of the visit"
	read(tab, t, chromedp.Evaluate[any](`console.log("`+last+`")`))
	for message, err := range console {
		if err != nil {
			t.Fatal(err)
		}
		if message.Text == last {
			break
		}
		// The browser notes the status of a problem page; that is no fault of the page's.
		if message.Source == "network" && message.URL != s.home+"style.css" && message.URL != s.home+"favicon.svg" {
			continue
		}
		t.Errorf("the console says, at %s: %s", message.URL, message.Text)
	}
}
