package main

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/ghlogin/ghlogin/e2e/chaos"
)

// tries is how often one call was sent, and what came of each. It belongs to the call's goroutine.
type tries []string

func (t tries) String() string { return strings.Join(t, "") }

type triesKey struct{}

// traced notes each try of a call, with the access token's fingerprint.
type traced struct{ next http.RoundTripper }

// RoundTrip implements [http.RoundTripper].
func (t traced) RoundTrip(req *http.Request) (*http.Response, error) {
	began := time.Now()
	resp, err := t.next.RoundTrip(req)
	if all, ok := req.Context().Value(triesKey{}).(*tries); ok {
		came := "an error"
		if err == nil {
			came = resp.Status
		}
		_, token, _ := strings.Cut(req.Header.Get("Authorization"), " ")
		*all = append(*all, fmt.Sprintf("; sent with %s at %s, %s at %s", chaos.Fingerprint(token), clock(began), came, clock(time.Now())))
	}
	return resp, err
}

func clock(t time.Time) string { return t.Format("15:04:05.000") }
