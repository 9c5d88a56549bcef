package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/ghlogin/ghlogin/grant"
	"github.com/ghlogin/ghlogin/oauth"
	"github.com/ghlogin/ghlogin/store"
)

// health answers those who route requests here.
type health struct {
	store  store.Store
	redis  *redis.Client // Nil without one.
	grants *grant.Manager

	asking sync.Mutex // Held while GitHub is asked about the app's credentials; mu would keep the other parts, and the stop, waiting.

	mu       sync.Mutex
	leaving  bool
	askAt    time.Time // When to ask next; zero if nobody has.
	refused  error     // GitHub's last word on the app's credentials; nil is good.
	accepted bool      // They were good once.

	log *slog.Logger
	was map[string]bool // What was bad at the last look.

	well *prometheus.GaugeVec // The same for Prometheus, by part.
}

func newHealth(st store.Store, rdb *redis.Client, grants *grant.Manager, log *slog.Logger, metrics prometheus.Registerer) *health {
	well := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "app_ready", Help: "Whether a part was well at the last look at /readyz: 1, or 0.",
	}, []string{"part"})
	metrics.MustRegister(well)
	return &health{store: st, redis: rdb, grants: grants, log: log, was: make(map[string]bool), well: well}
}

// note logs what turns bad, and what is good again, and tells Prometheus: an orchestrator shows the status of /readyz, and not
// its words.
func (h *health) note(ctx context.Context, part string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	well := 1.0
	switch bad := err != nil; {
	case errors.Is(err, context.Canceled): // Who asked hung up, which says nothing.
		return
	case bad && !h.was[part]:
		h.log.WarnContext(ctx, "not well", "part", part, "error", err)
	case !bad && h.was[part]:
		h.log.InfoContext(ctx, "well again", "part", part)
	}
	if h.was[part] = err != nil; err != nil {
		well = 0
	}
	h.well.WithLabelValues(part).Set(well)
}

// leave has balancers send nobody here any more, and gives them a moment to notice.
func (h *health) leave(ctx context.Context) error {
	h.mu.Lock()
	h.leaving = true
	h.mu.Unlock()
	select {
	case <-time.After(leaveFor):
	case <-ctx.Done():
	}
	return nil
}

// leaveFor is longer than the pause between two looks at /readyz.
const leaveFor = 3 * time.Second

// live says that the process runs. It depends on nothing else: to restart it would mend no Vault, and lose what it
// remembers.
func (h *health) live(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusNoContent)
}

// ready says whether to send requests here, and what is wrong. Vault or Redis away, or a client secret that GitHub never took:
// no. A secret that GitHub takes no more is said, and is no reason to send nobody: tokens that are good go on to work, and
// all replicas have the same secret.
func (h *health) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 4*time.Second)
	defer cancel()
	parts := map[string]string{"vault": "ok", "redis": "ok", "github_credentials": "ok"}
	status := http.StatusOK
	bad := func(part string, err error, fatal bool) {
		h.note(ctx, part, err)
		if err == nil {
			return
		}
		parts[part] = err.Error()
		if fatal {
			status = http.StatusServiceUnavailable
		}
	}
	if p, ok := h.store.(store.Pinger); ok {
		bad("vault", p.Ping(ctx), true)
	}
	if h.redis == nil {
		delete(parts, "redis")
	} else {
		bad("redis", h.redis.Ping(ctx).Err(), true)
	}
	accepted, refused := h.credentials(ctx)
	bad("github_credentials", refused, !accepted)
	h.mu.Lock()
	leaving := h.leaving
	h.mu.Unlock()
	if leaving {
		parts["server"], status = "stopping", http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(parts)
}

// credentials asks GitHub now and then whether it takes the app's. That it does not answer says nothing about them.
func (h *health) credentials(ctx context.Context) (accepted bool, refused error) {
	switch first, due := h.isDue(); {
	case first: // Nobody is sent here before it was asked once.
		h.asking.Lock()
	case !due || !h.asking.TryLock(): // Or another look asks just now.
		return h.lastWord()
	}
	defer h.asking.Unlock()
	if _, due := h.isDue(); !due {
		return h.lastWord()
	}
	err := h.grants.CheckApp(ctx)
	h.mu.Lock()
	h.askAt = time.Now().Add(5 * time.Minute)
	switch {
	case err == nil:
		h.refused, h.accepted = nil, true
	case errors.Is(err, oauth.ErrMisconfigured):
		h.refused = err
	default: // A look that waits for GitHub takes all of its time.
		h.askAt = time.Now().Add(15 * time.Second)
	}
	h.mu.Unlock()
	return h.lastWord()
}

func (h *health) isDue() (first, due bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.askAt.IsZero(), !time.Now().Before(h.askAt)
}

func (h *health) lastWord() (accepted bool, refused error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.accepted || h.refused == nil, h.refused
}
