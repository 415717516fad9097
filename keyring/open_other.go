//go:build !unix

package keyring

const openNow = 0
