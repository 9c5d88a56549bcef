package sim

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/ghlogin/ghlogin/store"
)

// shelf is the store: every version that the user's grant ever had. The world's lock guards it.
type shelf struct{ versions []version }

type version struct {
	value []byte
	at    time.Time
	by    *replica
	grant grantJSON
}

// grantJSON is what the judge reads of a stored grant. Its form is documented, so other programs may read it.
type grantJSON struct {
	WriteID    string `json:"write_id"`
	Lineage    string `json:"lineage"`
	Generation int64  `json:"generation"`
	NeedsLogin string `json:"needs_login"`
	Token      struct {
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
	} `json:"token"`
	Lease struct {
		Owner string `json:"owner"`
	} `json:"lease"`
	Failure struct {
		Count   int  `json:"count"`
		Unknown bool `json:"unknown"`
	} `json:"failure"`
	Logins map[string]loginJSON `json:"logins"`
}

type loginJSON struct {
	Created time.Time `json:"created"`
	Seen    time.Time `json:"seen"`
}

func (l loginJSON) lastSeen() time.Time {
	if l.Seen.IsZero() {
		return l.Created
	}
	return l.Seen
}

func (s *shelf) newest() *version {
	if len(s.versions) == 0 {
		return &version{}
	}
	return &s.versions[len(s.versions)-1]
}

// handle is a replica's way to the store: where its calls meet faults.
type handle struct{ r *replica }

var errAway = errors.New("the store is out of order")

func (h handle) Get(ctx context.Context, _ string) (store.Entry, error) {
	var (
		e     store.Entry
		found bool
	)
	err := h.call(ctx, get, func() error {
		r := h.r
		n := len(r.w.shelf.versions)
		if time.Now().Before(r.lagsUntil) {
			n = max(n-r.lags, r.floor)
		}
		if found = n > 0; found {
			e = store.Entry{Value: shift(r.w.shelf.versions[n-1].value, -r.clock), Version: strconv.Itoa(n)}
		}
		return nil
	})
	if err == nil && !found {
		err = store.ErrNotFound
	}
	return e, err
}

func (h handle) Put(ctx context.Context, _ string, e store.Entry) (string, error) {
	var n int
	err := h.call(ctx, put, func() error {
		w := h.r.w
		have := ""
		if v := len(w.shelf.versions); v > 0 {
			have = strconv.Itoa(v)
		}
		if e.Version != have {
			return store.ErrConflict
		}
		v := version{value: shift(e.Value, h.r.clock), at: time.Now(), by: h.r}
		if err := json.Unmarshal(v.value, &v.grant); err != nil {
			return err
		}
		old := *w.shelf.newest()
		w.shelf.versions = append(w.shelf.versions, v)
		n = len(w.shelf.versions)
		w.wrote(&old, &v)
		return nil
	})
	h.r.w.mu.Lock()
	defer h.r.w.mu.Unlock()
	if err != nil {
		return "", err
	}
	h.r.floor = max(h.r.floor, n)
	return strconv.Itoa(n), nil
}

func (h handle) Delete(context.Context, string) error { return errors.New("nobody deletes grants yet") }

// call has do take effect, under the lock, with what goes wrong before and after.
func (h handle) call(ctx context.Context, c call, do func() error) error {
	r, w := h.r, h.r.w
	w.mu.Lock()
	f, lasts := w.fault(r, c)
	if f != none {
		r.away = time.Now()
		r.blind = r.blind || r.closing.Load()
	}
	w.mu.Unlock()
	effect := func() error {
		w.mu.Lock()
		defer w.mu.Unlock()
		return do()
	}
	before, after := r.latency(c, f, lasts)
	switch {
	case f == overtaken && c == put:
		go func() {
			time.Sleep(6*sec + lasts)
			_ = effect()
		}()
		<-ctx.Done()
		return ctx.Err()
	case f == overtaken || f == hangBefore:
		<-ctx.Done()
		return ctx.Err()
	}
	if err := r.sleep(ctx, before); err != nil {
		return err
	}
	switch f {
	case crashBefore:
		r.crash()
	case lostBefore, unavailable:
		return errAway
	}
	if err := r.sleep(ctx, 0); err != nil {
		return err
	}
	err := effect()
	switch f {
	case crashAfter:
		r.crash()
	case lostAfter:
		return errAway
	case ownConflict:
		if c == put {
			return store.ErrConflict
		}
	case hangAfter:
		<-ctx.Done()
		return ctx.Err()
	}
	if err := r.sleep(ctx, after); err != nil {
		return err
	}
	return err
}

// shift moves every time of day in a JSON text by d. A replica whose clock is d ahead sees what others wrote d
// earlier than they do, and what it writes is d later for them: so a wrong clock is a change of coordinates at its
// store and at GitHub's Date header, and the replica itself can live on the bubble's clock.
func shift(text []byte, d time.Duration) []byte {
	if d == 0 {
		return append([]byte(nil), text...)
	}
	out := make([]byte, 0, len(text)+32)
	for i := 0; i < len(text); {
		if text[i] != '"' {
			out = append(out, text[i])
			i++
			continue
		}
		end := i + 1
		for end < len(text) && text[end] != '"' {
			if text[end] == '\\' {
				end++
			}
			end++
		}
		quoted := text[i+1 : end]
		if len(quoted) >= 20 && quoted[4] == '-' && quoted[10] == 'T' {
			if at, err := time.Parse(time.RFC3339Nano, string(quoted)); err == nil && !at.IsZero() {
				out = append(out, '"')
				out = at.Add(d).AppendFormat(out, time.RFC3339Nano)
				out = append(out, '"')
				i = end + 1
				continue
			}
		}
		out = append(out, text[i:end+1]...)
		i = end + 1
	}
	return out
}
