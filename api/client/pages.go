package client

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
)

// pageSize is how many elements one request asks for.
const pageSize = 500

// fetchPages fetches all pages of a list. contents returns the elements of a page, and the
// token of the next one.
func fetchPages[L, T any](ctx context.Context, c *Client, path apiPath, contents func(*L) ([]T, string), opts ...option) ([]T, error) {
	all := []T{} // not nil, so that JSON has []
	requested := map[string]bool{}
	for token := ""; ; {
		page, _, err := fetch[L](ctx, c, http.MethodGet, path,
			slices.Concat(opts, []option{query("pageSize", strconv.Itoa(pageSize)), query("pageToken", token)})...)
		if err != nil {
			return nil, err
		}
		var items []T
		items, token = contents(page)
		all = append(all, items...)
		if token == "" {
			return all, nil
		}
		if requested[token] {
			return nil, fmt.Errorf("%w: its pages form a loop", ErrResponse)
		}
		requested[token] = true
	}
}
