package wxec

const insideModule = true
