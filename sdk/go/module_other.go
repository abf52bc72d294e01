//go:build !wasip1

package wxec

const insideModule = false
