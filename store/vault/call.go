package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/hashicorp/vault/api"

	"github.com/ghlogin/ghlogin/store"
)

// call makes a call within the timeout, once more after a fresh log-in if Vault denied the token, and
// classifies its error. If the log-in fails, its error counts, for it says why the token is not replaced.
func (s *Store) call(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	token := s.client.Token()
	err := f(ctx)
	if err != nil && s.keeper != nil {
		again, loginErr := s.keeper.freshLogin(ctx, token, err)
		if again {
			err = f(ctx)
			s.keeper.again(err)
		} else if loginErr != nil {
			err = loginErr
		}
	}
	if err == nil || errors.Is(err, store.ErrNotFound) {
		return err
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	err = classify(err)
	if e, ok := errors.AsType[*Error](err); ok && e.advice == givePolicy {
		// The policy may be there, for another prefix.
		e.advice = fmt.Sprintf("%s, with mount %s and prefix %s as set here", givePolicy, s.cfg.Mount, s.cfg.Prefix)
	}
	return err
}

// get reads a path. It returns [store.ErrNotFound] for one answer alone, that of Vault for a path where
// nothing stands; every other 404 may come from a missing mount, or from a gateway that lost its route.
func (s *Store) get(ctx context.Context, path string, params map[string][]string, into any) (status int, err error) {
	resp, err := s.client.Logical().ReadRawWithDataWithContext(ctx, path, params)
	defer closeBody(resp)
	if resp == nil {
		return 0, err
	}
	if err == nil {
		return resp.StatusCode, decode(resp, into)
	}
	if resp.StatusCode == http.StatusNotFound {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		if isNothing(body) {
			return resp.StatusCode, store.ErrNotFound
		}
		_ = json.Unmarshal(body, into) // If it can't be read, it says nothing either.
	}
	return resp.StatusCode, err
}

// isNothing knows {"errors":[]}, which is Vault's and OpenBao's answer, whole, where nothing stands.
func isNothing(body []byte) bool {
	var answer map[string]json.RawMessage
	return json.Unmarshal(body, &answer) == nil && len(answer) == 1 && string(answer["errors"]) == "[]"
}

// maxAnswer bounds an answer of Vault's in bytes: the list of some five million users. A value is at most 1 MiB there.
const maxAnswer = 64 << 20

func decode(resp *api.Response, into any) error {
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(into); err != nil {
		// Not wrapped: it could quote the value.
		return setupError("its answer is no KV version 2's", nil)
	}
	return nil
}

func closeBody(resp *api.Response) {
	if resp != nil && resp.Body != nil {
		_, _ = io.CopyN(io.Discard, resp.Body, 4<<10) // So that the connection can be used again.
		_ = resp.Body.Close()
	}
}
