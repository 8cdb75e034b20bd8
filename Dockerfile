# Kindred in a container. Two stages: the first may hold compilers, the second holds what runs.
FROM node:24-slim AS dependencies
WORKDIR /app
# sqlite3 comes prebuilt for most platforms; where it does not, it is compiled here and nowhere else.
RUN apt-get update && apt-get install -y --no-install-recommends python3 make g++ && rm -rf /var/lib/apt/lists/*
COPY package.json package-lock.json ./
RUN npm ci --omit=dev && npm cache clean --force \
    # What sqlite3 was compiled from is ten times the size of what came of it.
    && rm -rf node_modules/sqlite3/deps node_modules/sqlite3/src node_modules/sqlite3/build/Release/obj*

FROM node:24-slim
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json package-lock.json ./
COPY config ./config
COPY migrations ./migrations
COPY src ./src
# Only what the server makes for itself is its own to write: the SQLite file, when that is where its data is.
RUN mkdir --mode=700 data && chown node:node data
VOLUME /app/data
USER node
EXPOSE 3000 9464
# Node itself asks: the image has no curl. Ready is for the balancer to ask; this says only that the process is up.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/healthz`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# No npm in between: the signals go to the server, which drains and ends with 0.
CMD ["node", "--max-old-space-size=512", "--max-semi-space-size=8", "src/server.ts"]
