package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestExcerpt: the excerpt shows the error, not the end of a stack trace.
func TestExcerpt(t *testing.T) {
	t.Parallel()
	stack := strings.Repeat("\tgoroutine\n", 20)
	for text, want := range map[string]string{
		"":                           "",
		"one\ntwo\n":                 ":\none\ntwo",
		"1\n2\n3\n4\n5\n6\n":         ":\n2\n3\n4\n5\n6",
		"panic: boom\n\n" + stack:    ":\npanic: boom\n\n\tgoroutine\n\tgoroutine\n\tgoroutine",
		"hello\nfatal error: out\nx": ":\nfatal error: out\nx",
		"ok\n--- FAIL: BenchmarkX\n    x_test.go:1: no user\nFAIL": ":\n--- FAIL: BenchmarkX\n    x_test.go:1: no user\nFAIL",
		"usher: error: no\n" + stack + "end":                       ":\nusher: error: no" + strings.Repeat("\n\tgoroutine", 4),
	} {
		if got := excerpt(text); got != want {
			t.Errorf("%q: %q, not %q", text, got, want)
		}
	}
}

// TestMakefile: the Makefile describes this command as its help does.
func TestMakefile(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^bench: ## (.*)$`).FindSubmatch(text)
	if found == nil || !strings.HasPrefix(strings.ReplaceAll(help, "\n", " "), "bench: "+string(found[1])+"  ") {
		t.Errorf("%q", found)
	}
}
