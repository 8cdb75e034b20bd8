// The files that our pages load, by a name that says what is in them.
import type { Middleware } from 'koa';
import { assets, type Brand } from '../../pages/brand.ts';

/** Serves them, to be kept for ever. */
export function serveAssets(brand: Brand): Middleware {
  const files = new Map(assets(brand).map((asset) => [asset.path, asset]));
  return async (ctx, next) => {
    const asset = ctx.method === 'GET' || ctx.method === 'HEAD' ? files.get(ctx.path) : undefined;
    if (!asset) return await next();
    ctx.set('Cache-Control', 'public, max-age=31536000, immutable');
    ctx.type = asset.type;
    ctx.body = asset.body;
  };
}
