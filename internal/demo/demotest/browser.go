package demotest

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// Browser is a visitor: it keeps cookies and follows redirects.
type Browser struct {
	client *http.Client
}

// Page is what a browser has before it after redirects.
type Page struct {
	Status int
	URL    *url.URL
	Header http.Header
	Body   string
}

// NewBrowser returns a browser without cookies.
func NewBrowser(t *testing.T) *Browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &Browser{client: &http.Client{Jar: jar, Transport: transport, Timeout: limit}}
}

// Get opens address.
func (b *Browser) Get(t *testing.T, address string) Page {
	t.Helper()
	return b.open(t, http.MethodGet, address, "text/html", nil)
}

// GetJSON fetches address as a script would.
func (b *Browser) GetJSON(t *testing.T, address string) Page {
	t.Helper()
	return b.open(t, http.MethodGet, address, "application/json", nil)
}

// Post submits a form.
func (b *Browser) Post(t *testing.T, address string, form url.Values) Page {
	t.Helper()
	return b.open(t, http.MethodPost, address, "text/html", form)
}

// Cookies returns the names of the cookies that the browser sends to address.
func (b *Browser) Cookies(t *testing.T, address string) (names []string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range b.client.Jar.Cookies(u) {
		names = append(names, c.Name)
	}
	return names
}

var hiddenValue = regexp.MustCompile(`name="form" value="([^"]+)"`)

// Authorize signs in as login on the fake GitHub's page, and returns where that leads.
func (b *Browser) Authorize(t *testing.T, page Page, login string) Page {
	t.Helper()
	return b.decide(t, page, url.Values{"user": {login}, "action": {"authorize"}})
}

// Cancel presses Cancel on the fake GitHub's page, and returns where that leads.
func (b *Browser) Cancel(t *testing.T, page Page) Page {
	t.Helper()
	return b.decide(t, page, url.Values{"action": {"cancel"}})
}

func (b *Browser) decide(t *testing.T, page Page, form url.Values) Page {
	t.Helper()
	found := hiddenValue.FindStringSubmatch(page.Body)
	if page.URL.Path != "/login/oauth/authorize" || found == nil {
		t.Fatalf("this is not GitHub's page to authorize an app: %s, status %d", page.URL, page.Status)
	}
	form.Set("form", found[1])
	return b.Post(t, page.URL.Scheme+"://"+page.URL.Host+page.URL.Path, form)
}

func (b *Browser) open(t *testing.T, method, address, accept string, form url.Values) Page {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", accept)
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := b.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	return Page{Status: resp.StatusCode, URL: resp.Request.URL, Header: resp.Header, Body: string(body)}
}
