package githubtest

import (
	"fmt"
	"html"
	"net/http"
	"strconv"
	"strings"
)

// serveAvatar is GET /_fake/avatars/{id}, where the avatar_url of accounts and organizations leads:
// a square with the first letter of the login, so that pages which show a picture have one offline.
func (s *Server) serveAvatar(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil || id < 1 {
		s.showNotFound(w, r)
		return
	}
	letter := "·"
	s.mu.Lock()
	if u := s.users[id]; u != nil {
		letter = strings.ToUpper(string([]rune(u.Login)[:1]))
	}
	s.mu.Unlock()
	h := w.Header()
	h.Set("Content-Type", "image/svg+xml; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100" width="460" height="460">`+
		`<rect width="100" height="100" fill="hsl(%d 45%% 40%%)"/>`+
		`<text x="50" y="52" fill="white" font-family="system-ui, sans-serif" font-size="52" font-weight="600" `+
		`text-anchor="middle" dominant-baseline="central">%s</text></svg>`, id%360, html.EscapeString(letter))
}
