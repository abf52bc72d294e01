module github.com/wxec/wxec/sdk/go

go 1.24
