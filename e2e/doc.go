// Package e2e tests the quickstart, and sites that are attacked from others, in a headless Chromium against the
// fake GitHub. It has no code of its own.
//
// Where there is no Chromium its tests are skipped, and those of accessibility where there is no npm to take axe-core from;
// with GHLOGIN_REQUIRE_BROWSER=1 they fail. The README's pictures are made by
//
//	GHLOGIN_SCREENSHOTS="$PWD/docs/images" go test ./e2e -run TestScreenshots/readme
package e2e
