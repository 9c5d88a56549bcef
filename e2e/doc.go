// Package e2e tests the quickstart in a headless Chromium against the fake GitHub. It has no code of its
// own.
//
// Where there is no Chromium its tests are skipped; with GHLOGIN_REQUIRE_BROWSER=1 they fail. The
// README's pictures are made by
//
//	GHLOGIN_SCREENSHOTS="$PWD/docs/images" go test ./e2e -run TestScreenshots/readme
package e2e
