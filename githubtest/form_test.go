package githubtest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// form is what a browser would make of a page.
type form struct {
	action, title string
	hidden        url.Values
	users         []string // logins of the radio buttons
	checked       string
	buttons       map[string]string // id to value
	labels        map[string]string // radio id to visible text
}

// open loads a page and reads its form.
func open(t *testing.T, client *http.Client, address string) form {
	t.Helper()
	res, _ := get(t, client, address)
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%s shows no page: %s", address, res.Status)
	}
	root, err := html.Parse(strings.NewReader(res.Body))
	if err != nil {
		t.Fatal(err)
	}
	f := form{action: address, hidden: url.Values{}, buttons: map[string]string{}, labels: map[string]string{}}
	for n := range root.Descendants() {
		f.read(t, n)
	}
	return f
}

func (f *form) read(t *testing.T, n *html.Node) {
	t.Helper()
	switch n.Data {
	case "script", "img", "iframe":
		t.Errorf("the page has a %s", n.Data)
	case "title":
		f.title = text(n)
	case "form":
		if action := attr(n, "action"); action != "" {
			u, err := url.Parse(f.action)
			if err != nil {
				t.Fatal(err)
			}
			f.action = u.ResolveReference(&url.URL{Path: action}).String()
		}
	case "label":
		f.labels[attr(n, "for")] = text(n)
	case "button":
		f.buttons[attr(n, "id")] = attr(n, "value")
	case "input":
		switch attr(n, "type") {
		case "hidden":
			f.hidden.Set(attr(n, "name"), attr(n, "value"))
		case "radio":
			login := attr(n, "value")
			if attr(n, "id") != "user-"+login || attr(n, "name") != "user" {
				t.Errorf("radio button of %s has id %q", login, attr(n, "id"))
			}
			f.users = append(f.users, login)
			if has(n, "checked") {
				f.checked += login
			}
		}
	}
}

// press submits the form with a button.
func (f form) press(t *testing.T, client *http.Client, button, user string) (reply, *url.URL) {
	t.Helper()
	values := url.Values{"user": {user}, "action": {f.buttons[button]}}
	for name := range f.hidden {
		values.Set(name, f.hidden.Get(name))
	}
	req := request(t, http.MethodPost, f.action, values.Encode())
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return send(t, client, req)
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, name string) bool {
	for _, a := range n.Attr {
		if a.Key == name {
			return true
		}
	}
	return false
}

func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return strings.TrimSpace(b.String())
}
