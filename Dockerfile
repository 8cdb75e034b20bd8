# Kindred in a container. Two stages: the first has compilers, the second only what runs.
FROM node:24-slim AS dependencies
WORKDIR /app
# sqlite3 comes prebuilt for most platforms; for the others it is compiled here.
RUN apt-get update && apt-get install -y --no-install-recommends python3 make g++ && rm -rf /var/lib/apt/lists/*
COPY package.json package-lock.json ./
RUN npm ci --omit=dev && npm cache clean --force \
    # The sources and object files of sqlite3 are ten times as large as the library.
    && rm -rf node_modules/sqlite3/deps node_modules/sqlite3/src node_modules/sqlite3/build/Release/obj*

FROM node:24-slim
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json package-lock.json ./
COPY config ./config
COPY migrations ./migrations
COPY src ./src
# The server may write only its data folder, which holds the SQLite file if there is one.
RUN mkdir --mode=700 data && chown node:node data
VOLUME /app/data
USER node
EXPOSE 3000 9464
# By Node, because the image has no curl. It only says that the process is up; load balancers ask /readyz.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/healthz`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# Not through npm, so that the server gets the signals: it drains and exits with 0.
CMD ["node", "--max-old-space-size=512", "--max-semi-space-size=8", "--no-allocation-site-pretenuring", "src/server.ts"]
