package e2e

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
)

func TestTenTabsOpenedAtOnceEachLandOnTheirOwnPage(t *testing.T) {
	t.Parallel()
	first := newBrowser(t)
	s := startSite(t)

	const count = 10
	tabs, pages := []context.Context{first}, make([]string, count)
	for n := range count {
		if n > 0 {
			tabs = append(tabs, openTab(first, t))
		}
		pages[n] = fmt.Sprintf("%sme?tab=%d", s.home, n)
		if n%2 == 1 {
			pages[n] = fmt.Sprintf("%srepos?tab=%d", s.home, n)
		}
	}
	all(t, tabs, func(n int, tab context.Context) error {
		return chromedp.Do(tab, chromedp.Navigate(pages[n]), chromedp.WaitVisible(authorizeButton))
	})
	all(t, tabs, func(n int, tab context.Context) error {
		resp, err := chromedp.RunResponse(tab, chromedp.Click(authorizeButton))
		if err != nil {
			return err
		}
		if resp.Status != 200 || resp.URL != pages[n] {
			return fmt.Errorf("status %d at %s, want 200 at %s", resp.Status, resp.URL, pages[n])
		}
		return nil
	})
	// All of them are one browser's sign-in: what one tab ends is ended in the others.
	do(first, t, chromedp.Navigate(s.home), chromedp.Click(signOutButton), chromedp.WaitVisible(signInButton))
	do(tabs[count-1], t, chromedp.Navigate(s.home), chromedp.WaitVisible(signInButton))
}

// all runs step in all tabs at once, and fails with what went wrong in each.
func all(t *testing.T, tabs []context.Context, step func(n int, tab context.Context) error) {
	t.Helper()
	var wg sync.WaitGroup
	for n, tab := range tabs {
		wg.Go(func() {
			if err := step(n, tab); err != nil {
				t.Errorf("tab %d: %v", n, err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
}
